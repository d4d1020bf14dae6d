import * as z from "zod";

const steps = z.int().positive().describe("Optimizer updates from start to end.");

/** A number, or one that changes over the optimizer updates of a stage. */
export function schedule(value: z.ZodNumber) {
  const ends = {
    start: value.describe("Value before the first update."),
    end: value.describe("Value from `steps` updates on."),
    steps,
  };
  return z.union([
    value,
    z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("linear"), ...ends }).describe("In a straight line from start to end."),
      z.strictObject({ kind: z.literal("cosine"), ...ends }).describe("Along half a cosine from start to end."),
      z.strictObject({ kind: z.literal("switch"), ...ends }).describe("start for `steps` updates, then end."),
    ]),
  ]);
}

export type ScheduleConfig = z.output<ReturnType<typeof schedule>>;
