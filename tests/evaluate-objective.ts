import assert from "node:assert/strict";
import { makeObjective } from "../src/algorithms/objective/registry.js";
import { emptyTally } from "../src/algorithms/tally.js";
import type { RowGradient, Tally } from "../src/algorithms/types.js";
import { type ObjectiveConfig, objectiveSchema } from "../src/config/schema/objective.js";
import type { Batch } from "./random-rows.js";

type Partials = Record<string, unknown>;

/** What objectives of tests know of the rest of the configuration. */
export const context = { maxCompletionTokens: 10 };

/** Loss and gradients of a batch, in micro-batches of `cut` rows. */
export function evaluate(config: Partials, { rows, current }: Batch, cut = rows.length) {
  const objective = makeObjective(objectiveSchema.parse(config) as ObjectiveConfig, context);
  const state = objective.prepare(rows, objective.prepass ? current : null);
  const tally: Tally = emptyTally();
  const gradients: RowGradient[] = [];
  for (let start = 0; start < rows.length; start += cut) {
    const indices = [...rows.keys()].slice(start, start + cut);
    gradients.push(
      ...objective.rows(
        indices,
        indices.map((i) => current[i]!),
        state,
        tally,
      ),
    );
  }
  return { loss: tally.loss, metrics: tally.metrics, gradients };
}

/** Central difference of the loss when `move` shifts one action. */
export function difference(config: Partials, batch: Batch, move: (step: number) => void): number {
  const h = 1e-6;
  move(h);
  const above = evaluate(config, batch).loss;
  move(-2 * h);
  const below = evaluate(config, batch).loss;
  move(h);
  return (above - below) / (2 * h);
}

/** Fails where a gradient is not that of the differences, to 1e-7. */
export function assertClose(got: number, want: number, what: string): void {
  assert.ok(Math.abs(got - want) <= 1e-7 * Math.max(1, Math.abs(want)), `${what}: ${got}, by differences ${want}`);
}
