import type { RewardSpec, RewardSpecOf } from "../config/schema/rewards.js";
import { ExitCode, GrpoError } from "../errors.js";
import { columnReward } from "./column.js";
import { CommandReward } from "./command.js";
import { type Condition, compileCondition } from "./condition.js";
import { environmentReward } from "./environment.js";
import { exactReward } from "./exact.js";
import { formatReward } from "./format.js";
import { latexBoxedReward } from "./latex-boxed.js";
import { lengthReward } from "./length.js";
import { mathReward } from "./math/math-reward.js";
import { ModuleReward, type UserCodeOptions } from "./module.js";
import { qaReward } from "./qa/qa-reward.js";
import { recommendationReward } from "./recommendation/recommendation.js";
import { regexReward } from "./regex.js";
import { rewardError } from "./reward-error.js";
import { rougeReward } from "./semantic/rouge-reward.js";
import { SemanticReward, type TextEmbedder } from "./semantic/semantic-reward.js";
import { temporalIouReward } from "./temporal-iou.js";
import { totalReward } from "./total-reward.js";
import { typedAnswerReward } from "./typed-answer.js";
import type { CallScorer, Note, RewardContext, RewardSample, SampleScorer, SpanScorer } from "./types.js";

/** Rewards of the samples of one call, in their order. */
export interface Scores {
  /** Values before weights; null = not applicable. */
  components: Record<string, (number | null)[]>;
  /** Values per span position of the components that have them; `components` holds their mean. */
  spans: Record<string, (Float64Array | null)[]>;
  /** What components noted of each sample beside its rewards, as `NAME/WHAT`. */
  details: Record<string, number>[];
  /** Sum of weight x value over the components that apply; NaN where none does. */
  total: Float64Array;
}

/** Where components write while they score. */
type Notes = Pick<Scores, "spans" | "details">;

interface Plan {
  spec: RewardSpec;
  condition: Condition | null;
  /** Names of the components that are scored first. */
  needs: string[];
  print: (text: string) => void;
  calls: number;
  errors: number;
  logged: { group: number; sample: number; name: string; value: number }[];
}

interface Component extends Plan {
  scorer:
    | { unit: "sample"; score: SampleScorer }
    | { unit: "span"; score: SpanScorer }
    | { unit: "call"; code: CallScorer };
}

/** What components are made with. */
interface ScorerOptions extends UserCodeOptions {
  /** Opens the encoder of a semantic reward. */
  openEmbedder: (folder: string, pooling: "mean" | "cls") => Promise<TextEmbedder>;
  /** Opens the model of a reward of kind reward_model. */
  openRewardModel: (spec: RewardSpecOf<"reward_model">) => Promise<CallScorer>;
}

/** Names that a component's own metrics hold already. */
const reservedMetrics = new Set(["mean", "std", "calls", "errors"]);

/**
 * Builds the reward components of a run and starts their user code.
 *
 * @throws GrpoError GRPO_CONFIG (exit 3) for needs that form a circle or a condition that cannot be read;
 *   GRPO_REWARD_FILE (exit 4) for a missing module; GRPO_REWARD (exit 1) for one that cannot be loaded
 */
export async function createRewards(
  specs: readonly RewardSpec[],
  options: Pick<ScorerOptions, "baseDir" | "seed"> & Partial<ScorerOptions>,
): Promise<RewardSet> {
  const complete: ScorerOptions = {
    print: (text) => process.stderr.write(text),
    loadTimeoutS: 30,
    openEmbedder: () => Promise.reject(new Error("a semantic reward needs an embedder")),
    openRewardModel: () => Promise.reject(new Error("a reward_model reward needs somebody who opens the model")),
    ...options,
  };
  const plans = specs.map((spec) => planComponent(spec, complete.print));
  const order = sortByNeeds(plans);
  const started = await Promise.allSettled(plans.map(({ spec }) => createScorer(spec, complete)));
  const failed = started.find((result) => result.status === "rejected");
  const components = started.flatMap((result, i) =>
    result.status === "fulfilled" ? [Object.assign(plans[i]!, { scorer: result.value })] : [],
  );
  if (failed !== undefined) {
    await closeAll(components);
    throw failed.reason;
  }
  return new RewardSet(components, order as Component[]);
}

/** The reward components of a run. */
export class RewardSet {
  /**
   * @param components in the order of the config, which is the order of summation
   * @param order the same, each after those it needs
   */
  constructor(
    private readonly components: readonly Component[],
    private readonly order: readonly Component[],
  ) {}

  /** Whether some component must see all samples of a step in one call of {@link score}. */
  get needsWholeStep(): boolean {
    return this.components.some(({ spec }) => "scope" in spec && spec.scope === "step");
  }

  /**
   * Scores samples: whole groups, so that components of group scope see them whole. Calls may overlap.
   *
   * @throws GrpoError naming the reward, the sample and what to do, where user code fails
   */
  async score(samples: readonly RewardSample[], context: RewardContext): Promise<Scores> {
    const scored = new Map<string, Promise<(number | null)[]>>();
    const notes: Notes = { spans: {}, details: samples.map(() => ({})) };
    for (const component of this.order) {
      scored.set(component.spec.name, scoreComponent(component, samples, context, scored, notes));
    }
    // All are waited for, so that the error that is told does not depend on which came first.
    await Promise.allSettled(scored.values());
    const components: Scores["components"] = {};
    for (const { spec } of this.components) components[spec.name] = await scored.get(spec.name)!;
    return { components, ...notes, total: totalReward(components, this.weights, samples.length) };
  }

  /**
   * What user code did since the last call of this function: `reward/NAME/calls`, `reward/NAME/errors`, and the mean of
   * each value it logged as `reward/NAME/VALUE`. Means are summed in the order of the samples, whatever returned first.
   */
  metrics(): Record<string, number> {
    const metrics: Record<string, number> = {};
    for (const component of this.components) {
      if (component.scorer.unit !== "call") continue;
      const prefix = `reward/${component.spec.name}`;
      metrics[`${prefix}/calls`] = component.calls;
      metrics[`${prefix}/errors`] = component.errors;
      const sums = new Map<string, { sum: number; count: number }>();
      for (const { name, value } of component.logged.sort((a, b) => a.group - b.group || a.sample - b.sample)) {
        const entry = sums.get(name) ?? { sum: 0, count: 0 };
        sums.set(name, { sum: entry.sum + value, count: entry.count + 1 });
      }
      for (const [name, { sum, count }] of sums) metrics[`${prefix}/${name}`] = sum / count;
      Object.assign(component, { calls: 0, errors: 0, logged: [] });
    }
    return metrics;
  }

  /** Names of the components that count only where a condition holds. */
  get conditional(): string[] {
    return this.components.filter(({ condition }) => condition !== null).map(({ spec }) => spec.name);
  }

  /** Weight of each component in the total. */
  get weights(): Record<string, number> {
    return Object.fromEntries(this.components.map(({ spec }) => [spec.name, spec.weight]));
  }

  /** Ends workers and processes. */
  async close(): Promise<void> {
    await closeAll(this.components);
  }
}

async function closeAll(components: readonly Component[]): Promise<void> {
  await Promise.all(components.map(({ scorer }) => (scorer.unit === "call" ? scorer.code.close() : undefined)));
}

function planComponent(spec: RewardSpec, print: (text: string) => void): Plan {
  const condition = spec.when === undefined ? null : compileCondition(spec.name, spec.when);
  const factor = spec.times === undefined ? [] : [spec.times];
  const needs = new Set([...("needs" in spec ? spec.needs : []), ...(condition?.needs ?? []), ...factor]);
  return { spec, condition, needs: [...needs], print, calls: 0, errors: 0, logged: [] };
}

async function createScorer(spec: RewardSpec, options: ScorerOptions): Promise<Component["scorer"]> {
  switch (spec.kind) {
    case "module":
      return { unit: "call", code: await ModuleReward.load(spec, options) };
    case "command":
      return { unit: "call", code: new CommandReward(spec, options) };
    case "reward_model":
      return { unit: "call", code: await options.openRewardModel(spec) };
    case "exact":
      return { unit: "sample", score: exactReward(spec) };
    case "math":
      return { unit: "sample", score: mathReward(spec) };
    case "regex":
      return { unit: "sample", score: regexReward(spec) };
    case "format":
      return { unit: "sample", score: formatReward(spec) };
    case "length":
      return { unit: "sample", score: lengthReward(spec) };
    case "latex_boxed":
      return { unit: "sample", score: latexBoxedReward(spec) };
    case "recommendation":
      return { unit: "span", score: recommendationReward(spec, options.baseDir) };
    case "column":
      return { unit: "sample", score: columnReward(spec) };
    case "typed_answer":
      return { unit: "sample", score: typedAnswerReward(spec) };
    case "qa":
      return { unit: "sample", score: qaReward(spec) };
    case "rouge_l":
      return { unit: "sample", score: rougeReward(spec) };
    case "semantic":
      return { unit: "call", code: new SemanticReward(spec, await options.openEmbedder(spec.encoder, spec.pooling)) };
    case "temporal_iou":
      return { unit: "sample", score: temporalIouReward(spec) };
    case "environment":
      return { unit: "sample", score: environmentReward() };
  }
}

function sortByNeeds(components: readonly Plan[]): Plan[] {
  const order: Plan[] = [];
  const rest = [...components];
  while (rest.length > 0) {
    const ready = rest.findIndex(({ needs }) => needs.every((need) => order.some(({ spec }) => spec.name === need)));
    if (ready < 0) {
      const names = rest.map(({ spec }) => spec.name).join(", ");
      throw new GrpoError("GRPO_CONFIG", `rewards: ${names}: each waits for another, or for one that is not there`, {
        exitCode: ExitCode.config,
        fix: "let `needs` and `when` name existing rewards that do not need this one",
      });
    }
    order.push(...rest.splice(ready, 1));
  }
  return order;
}

async function scoreComponent(
  component: Component,
  samples: readonly RewardSample[],
  context: RewardContext,
  scored: ReadonlyMap<string, Promise<(number | null)[]>>,
  notes: Notes,
): Promise<(number | null)[]> {
  const needed = await Promise.all(component.needs.map(async (name) => [name, await scored.get(name)!] as const));
  const views =
    needed.length === 0
      ? samples
      : samples.map((sample, i) => ({
          ...sample,
          rewards: Object.fromEntries(needed.map(([name, values]) => [name, values[i]!])),
        }));
  const values = await ownValues(component, views, context, notes);
  const { times, name } = component.spec;
  if (times === undefined) return values;
  const vectors = notes.spans[name];
  if (vectors !== undefined) {
    notes.spans[name] = vectors.map((vector, i) => vector?.map((value) => value * views[i]!.rewards![times]!) ?? null);
  }
  return values.map((value, i) => {
    const factor = views[i]!.rewards![times]!;
    return value === null || factor === null ? null : value * factor;
  });
}

/** The values that a component gives by itself, before another one multiplies them. */
async function ownValues(
  component: Component,
  views: readonly RewardSample[],
  context: RewardContext,
  { spans, details }: Notes,
): Promise<(number | null)[]> {
  const { condition, scorer } = component;
  const { name } = component.spec;
  const noteOf =
    (i: number): Note =>
    (what, value) => {
      details[i]![`${name}/${what}`] = value;
    };
  const applies = views.map((_, i) => i).filter((i) => condition === null || condition.holds(views[i]!));
  const values = new Array<number | null>(views.length).fill(null);
  if (scorer.unit === "sample") {
    for (const i of applies) values[i] = scorer.score(views[i]!, noteOf(i));
    return values;
  }
  if (scorer.unit === "span") {
    const vectors = new Array<Float64Array | null>(views.length).fill(null);
    for (const i of applies) {
      const vector = scorer.score(views[i]!, noteOf(i));
      vectors[i] = vector;
      values[i] = vector.reduce((sum, value) => sum + value, 0) / Math.max(vector.length, 1);
    }
    spans[name] = vectors;
    return values;
  }
  const calls = splitByScope(component.spec, views, applies).map(async (indices) => {
    const result = await callUserCode(
      component,
      scorer.code,
      indices.map((i) => views[i]!),
      context,
    );
    indices.forEach((i, k) => {
      const value = result?.[k] ?? Number.NaN;
      values[i] = Number.isNaN(value) ? null : value;
    });
  });
  const failed = (await Promise.allSettled(calls)).find((call) => call.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return values;
}

/** Indices of the samples of each call. */
function splitByScope(spec: RewardSpec, samples: readonly RewardSample[], indices: readonly number[]): number[][] {
  if (indices.length === 0) return [];
  const scope = "scope" in spec ? spec.scope : "group";
  if (scope === "step") return [[...indices]];
  if (scope === "sample") return indices.map((i) => [i]);
  const groups = new Map<number, number[]>();
  for (const i of indices) {
    const { group } = samples[i]!;
    groups.set(group, [...(groups.get(group) ?? []), i]);
  }
  return [...groups.values()];
}

/** The values of one call; null where it failed and the component is to skip errors. */
async function callUserCode(
  component: Component,
  code: CallScorer,
  samples: readonly RewardSample[],
  context: RewardContext,
): Promise<Float64Array | null> {
  const { spec } = component;
  component.calls++;
  try {
    const { values, logged } = await code.score(samples, context);
    const { group, sample } = samples[0]!;
    for (const entry of logged) {
      if (reservedMetrics.has(entry.name)) {
        throw rewardError(
          spec.name,
          `logs "${entry.name}", which every reward has already`,
          "give the metric another name",
        );
      }
      component.logged.push({ group, sample, ...entry });
    }
    return values;
  } catch (error) {
    if (!("on_error" in spec) || spec.on_error === "stop" || !(error instanceof GrpoError)) throw error;
    component.errors++;
    component.print(`${error.message}; skipped\n`);
    return null;
  }
}
