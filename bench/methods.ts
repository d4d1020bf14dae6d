import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Claim, type Effect, type FinishedRun, mean } from "./methods/effect.js";
import { coreEffects } from "./methods/effects-core.js";
import { rewardEffects } from "./methods/effects-rewards.js";
import { Workshop } from "./methods/workshop.js";

const effects: readonly Effect[] = [...coreEffects, ...rewardEffects];
/** Loss of a quantity that a method promises to keep, from which it counts as lost. */
const keptWithin = 0.05;

/**
 * What each method changes on a made-up task: the method and its baseline from one warm start, same budget, same seeds; prints
 * a Markdown table. An effect counts as shown when it points the promised way at every seed.
 */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { only: { type: "string" }, seeds: { type: "string", default: "3" }, keep: { type: "string" } },
  });
  const only = values.only?.split(",");
  const names = ({ method, task }: Effect) => [method, `${method}/${task.name}`];
  const unknown = only?.find((name) => !effects.some((effect) => names(effect).includes(name)));
  if (unknown !== undefined) {
    throw new Error(`no run for "${unknown}"; there are: ${effects.map(({ method }) => method).join(", ")}`);
  }
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
  const folder = values.keep ?? mkdtempSync(join(tmpdir(), "grpo-methods-"));
  try {
    console.log(
      "| method | task | measured | against | baseline | method | shown |\n| --- | --- | --- | --- | --- | --- | --- |",
    );
    const workshop = new Workshop(folder);
    for (const effect of effects.filter(
      (each) => only === undefined || names(each).some((name) => only.includes(name)),
    )) {
      for (const line of await compare(workshop, effect, seeds)) console.log(line);
    }
  } finally {
    if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** The table's lines of one method, one per claim. */
async function compare(workshop: Workshop, effect: Effect, seeds: readonly number[]): Promise<string[]> {
  const { method, task, shared, against, claims } = effect;
  const pairs: { baseline: FinishedRun; recipe: FinishedRun }[] = [];
  const recipe = { extends: `recipe:${method}`, ...effect.recipe?.() };
  const both = (await effect.both?.(workshop)) ?? {};
  for (const seed of seeds) {
    pairs.push({
      baseline: await workshop.train(task, seed, shared, both, effect.baseline),
      recipe: await workshop.train(task, seed, shared, both, recipe),
    });
  }
  return claims.map((claim) => {
    const before = pairs.map(({ baseline }) => claim.of(baseline));
    const after = pairs.map((pair) => claim.of(pair.recipe));
    const cells = [
      method,
      task.name,
      claim.what,
      against,
      spread(before),
      spread(after),
      verdict(claim, before, after),
    ];
    return `| ${cells.join(" | ")} |`;
  });
}

/** `mean ± deviation` over the seeds. */
function spread(values: readonly number[]): string {
  const centre = mean(values);
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - centre) ** 2, 0) / Math.max(1, values.length - 1));
  return `${centre.toPrecision(3)} ± ${deviation.toPrecision(2)}`;
}

function verdict({ want }: Claim, before: readonly number[], after: readonly number[]): string {
  if (want === "kept") return mean(after) >= mean(before) - keptWithin ? "kept" : "lost";
  const sign = want === "higher" ? 1 : -1;
  const points = after.filter((value, i) => sign * (value - before[i]!) > 0).length;
  return points === after.length ? `${want}: yes` : `${want}: no (${points} of ${after.length} seeds)`;
}
