import { modelsUsed, type Readable, rewardlessEstimator } from "./rules.js";
import type { Sections } from "./schema.js";

/** A key (with all below it) that nothing reads, and the keys that made it so. */
export interface Inactive {
  path: readonly string[];
  because: readonly (readonly string[])[];
  message: string;
}

/** Keys without effect under what is chosen elsewhere. */
export function inactiveKeys(config: Readable): Inactive[] {
  const found: Inactive[] = [];
  const add: Add = (path, message, ...because) =>
    found.push({ path: split(path), message, because: because.map(split) });
  if (config.model?.architecture?.model_type === "qwen2") {
    add("model.architecture.attention_bias", "has no effect in qwen2: its q, k and v always have a bias");
  }
  if (config.train !== undefined && config.train.activation_checkpointing !== "stream") {
    const why = "has no effect without train.activation_checkpointing stream: no layer is streamed";
    for (const key of ["layer_chunk", "layer_group"]) add(`train.${key}`, why, "train.activation_checkpointing");
  }
  if (config.train !== undefined && config.train.epochs !== null) {
    add("train.steps", "has no effect with train.epochs, which says how many steps there are", "train.epochs");
  }
  if (config.kind === "sft") {
    const why = "has no effect in an sft stage: it teaches the text of `data.completion` with cross-entropy";
    for (const section of ["models", "collect", "shape", "advantage", "objective", "reward_model", "rollout.sync"]) {
      add(section, why);
    }
    for (const key of ["updates_per_rollout", "minibatches", "reuse_products"]) add(`train.${key}`, why);
    return found;
  }
  if (config.kind === "reward_model") {
    const why = "has no effect in a reward_model stage: it learns from the texts and scores of `reward_model`";
    for (const section of ["models", "collect", "shape", "advantage", "objective", "rewards"]) add(section, why);
    for (const key of ["updates_per_rollout", "minibatches", "shared_prefix", "reuse_products"])
      add(`train.${key}`, why);
    for (const key of ["samples", "temperature", "max_completion_tokens"]) add(`eval.${key}`, why);
    for (const key of ["completion", "select"]) add(`data.${key}`, why);
    add("sampler.history", why);
    for (const key of Object.keys(config.rollout ?? {}).filter((name) => name !== "max_completion_tokens")) {
      add(`rollout.${key}`, why);
    }
    return found;
  }
  add("reward_model", "has no effect without a reward_model stage");
  add("data.completion", "has no effect without an sft stage: completions are drawn from the policy");
  if (config.rollout?.strategy.kind === "serial_group") {
    const why = "has no effect with a serial group: it has rollout.strategy.exits early exits and the full response";
    add("rollout.group_size", why, "rollout.strategy.kind");
  }
  const environment = config.rollout?.environment;
  if (environment?.kind === "search" && environment.corpus !== undefined) {
    const why = "has no effect with a corpus: nothing is waited for";
    add("rollout.environment.timeout_s", why, "rollout.environment.corpus");
  }
  if (environment?.step_prompts?.history === 0) {
    const why = "has no effect with history 0: no step is shown";
    add("rollout.environment.step_prompts.history_item", why, "rollout.environment.step_prompts.history");
  }
  idleObjective(config, add);
  idleModels(config, add);
  idleAdvantage(config, add);
  idleThen(config, add);
  idleShape(config, add);
  idleRewards(config, add);
  idleSpans(config, add);
  if (config.collect !== undefined && config.collect.zero_variance !== "resample") {
    add("collect.max_resamples", "has no effect without collect.zero_variance resample", "collect.zero_variance");
  }
  return found;
}

type Add = (path: string, message: string, ...because: string[]) => void;

function idleObjective({ objective }: Readable, add: Add): void {
  if (objective === undefined) return;
  const { kl } = objective;
  if (kl.coefficient === 0) {
    for (const key of Object.keys(kl).filter((name) => name !== "coefficient")) {
      add(
        `objective.kl.${key}`,
        "has no effect while objective.kl.coefficient is 0; give a coefficient, or take this key away",
        "objective.kl.coefficient",
      );
    }
  } else if (!kl.estimator.startsWith("k3")) {
    add("objective.kl.limit", "has no effect with this estimator: it bounds k3", "objective.kl.estimator");
  }
  if (kl.coefficient > 0 && kl.placement === "reward") {
    add("objective.kl.corrected", "has no effect in the reward: it acts on the gradient", "objective.kl.placement");
  } else if (objective.kind === "reg_grpo") {
    add("objective.kl.corrected", "has no effect with objective.kind reg_grpo, which has no ratio", "objective.kind");
  }
  if (!("aggregation" in objective)) return;
  if (!objective.aggregation.endsWith("_norm")) {
    add(
      "objective.constant",
      "has no effect with this aggregation; it is the divisor of sequence_mean_token_sum_norm and token_sum_norm",
      "objective.aggregation",
    );
  }
  if (!objective.aggregation.startsWith("sequence_mean")) {
    add(
      "objective.empty_rows",
      "has no effect with this aggregation: it takes no mean over rows",
      "objective.aggregation",
    );
  }
  if (objective.kind === "rec") idleRec(objective, add);
  if (objective.kind === "cispo" && !kl.corrected) {
    const why = "has no effect with objective.kind cispo, which holds the ratio constant in the gradient";
    add("objective.straight_through", why, "objective.kind", "objective.kl.corrected");
  }
  objective.rejection.forEach(({ estimator }, i) => {
    if (estimator === "k1") return;
    const why = "has no effect with this estimator: k2 and k3 are distances, which `max` alone bounds";
    add(`objective.rejection.${i}.min`, why, `objective.rejection.${i}.estimator`);
  });
  objective.terms.forEach((term, i) => {
    if (term.kind !== "distill") return;
    const at = `objective.terms.${i}`;
    if (term.mask === "none") add(`${at}.correct_at`, "has no effect without a mask: nobody is left out", `${at}.mask`);
    if (term.estimator !== "top_k") {
      const why = "has no effect with this estimator: it looks at the sampled token alone";
      for (const key of ["k", "of"]) add(`${at}.top_tokens.${key}`, why, `${at}.estimator`);
    }
    if (term.mode !== "additive") return;
    add(`${at}.estimator`, "has no effect with mode additive, which adds teacher - policy itself", `${at}.mode`);
  });
  if ("ratio" in objective && objective.level === "token") {
    add("objective.ratio", "has no effect at level token: a unit is one token", "objective.level");
  }
  if ("level" in objective && objective.level === "token" && "straight_through" in objective) {
    add(
      "objective.straight_through",
      "has no effect at level token: value and gradient are the token's",
      "objective.level",
    );
  }
}

function idleRec({ clip, weight }: Extract<Sections["objective"], { kind: "rec" }>, add: Add): void {
  const idle = (keys: string[], message: string) => {
    for (const key of keys) add(`objective.${key}`, message, "objective.clip", "objective.weight");
  };
  if (clip === "none") idle(["epsilon_low", "epsilon_high"], "has no effect with objective.clip none");
  if (clip !== "ring" && weight !== "truncated_ratio") {
    idle(["outer_low", "outer_high"], "has no effect without objective.clip ring or objective.weight truncated_ratio");
  }
  if (weight !== "advantage") idle(["temperature"], "has no effect without objective.weight advantage");
}

/** Keys of the deviation that divides, where none does. */
function noDivision(path: string, keys: readonly string[], add: Add): void {
  for (const key of keys) {
    add(`${path}.${key}`, `has no effect with ${path}.scale none: nothing is divided`, `${path}.scale`);
  }
}

function idleAdvantage({ advantage }: Readable, add: Add): void {
  if (advantage === undefined) return;
  const { kind } = advantage;
  if (kind === "group" && advantage.aggregation !== "sum_then_normalize") {
    const why = `has no effect with advantage.aggregation ${advantage.aggregation}, which divides each reward by its own deviation`;
    for (const key of ["scale", "single"]) add(`advantage.${key}`, why, "advantage.aggregation");
  } else if (kind === "group" && advantage.scale === "none") {
    noDivision("advantage", ["std", "epsilon", "variance_floor"], add);
  }
  if ((kind === "pass_at_k" || kind === "gigpo" || kind === "span_group") && advantage.scale === "none") {
    noDivision("advantage", ["std", "epsilon"], add);
  }
  if (kind === "stratified" && (advantage.key === "tool_sequence" || advantage.key === "call_outcome")) {
    add("advantage.max_bucket", "has no effect with this key: it is no count", "advantage.key");
  }
  if (kind === "risk_mvar") idleRisk(advantage, add);
}

function idleRisk(advantage: Extract<Sections["advantage"], { kind: "risk_mvar" }>, add: Add): void {
  const { measure, normalize, credit, bundle_size } = advantage;
  if (credit !== "sum_mean") {
    add("advantage.credit_limit", "has no effect without advantage.credit sum_mean", "advantage.credit");
  }
  if (measure.kind === "released" && measure.tail === "none") {
    add("advantage.measure.weight", "has no effect with advantage.measure.tail none", "advantage.measure.tail");
  }
  if (bundle_size === 1) {
    add(
      "advantage.permute",
      "has no effect on bundles of one prompt: there is nobody to pair",
      "advantage.bundle_size",
    );
  }
  if (measure.kind === "paper" && normalize === null && credit !== "std") {
    const keys = ["advantage.measure.kind", "advantage.normalize", "advantage.credit"];
    add(
      "advantage.epsilon",
      "has no effect here: neither measure, normalize nor credit divides by a deviation",
      ...keys,
    );
  }
}

function idleThen({ advantage }: Readable, add: Add): void {
  advantage?.then.forEach((step, i) => {
    const at = `advantage.then.${i}`;
    if (step.kind === "semantic_entropy" && step.form !== "focal") {
      add(`${at}.gamma`, "has no effect with this form: it is the exponent of focal", `${at}.form`);
    }
    if (step.kind === "semantic_entropy" && step.entropy === "discrete") {
      add(`${at}.length_norm`, "has no effect with entropy discrete, which counts responses", `${at}.entropy`);
    }
    if (step.kind === "prefix_tree" && step.scale === "none") noDivision(at, ["std", "epsilon"], add);
  });
}

/** Transforms of a row's reward, under estimators that never look at it. */
function idleShape({ advantage, shape }: Readable, add: Add): void {
  if (advantage === undefined || shape === undefined) return;
  const reader = rewardlessEstimator(advantage);
  if (reader === null) return;
  shape.forEach(({ kind }, i) => {
    if (kind === "mask_truncated") return;
    const why = `has no effect with ${reader}: ${kind} changes the total reward, which it does not read`;
    add(`shape.${i}`, why, "advantage.kind", "advantage.aggregation");
  });
}

function idleRewards({ rewards = [] }: Readable, add: Add): void {
  rewards.forEach((reward, i) => {
    const at = `rewards.${i}`;
    if (reward.kind === "recommendation" && reward.form !== "exp_gamma") {
      add(`${at}.gamma`, "has no effect with this form: it is the decay of exp_gamma", `${at}.form`);
    }
    if (reward.kind === "regex" && reward.answer === undefined) {
      add(`${at}.group`, "has no effect without `answer`, which the group is compared with");
    }
    if (reward.kind === "latex_boxed" && reward.answers === "choice") {
      add(`${at}.normalise`, "has no effect on letters of a choice", `${at}.answers`);
    }
  });
}

function idleSpans({ rollout, objective, advantage }: Readable, add: Add): void {
  if (rollout === undefined || objective === undefined || advantage === undefined) return;
  const level = "level" in objective && typeof objective.level === "object" ? [objective.level] : [];
  const named = [...level, advantage, ...advantage.then].flatMap((part) => ("span" in part ? [part.span] : []));
  rollout.spans.forEach(({ name }, i) => {
    if (named.includes(name)) return;
    const why = `has no effect: no objective.level, advantage or advantage.then names the span ${name}`;
    add(`rollout.spans.${i}`, why, "objective.level", "advantage.kind");
  });
}

function idleModels({ models, objective, shape = [] }: Readable, add: Add): void {
  if (models === undefined || objective === undefined) return;
  const used = modelsUsed(objective).map(({ slot }) => slot);
  for (const item of shape) {
    if ("model" in item) used.push(item.model);
  }
  for (const name of Object.keys(models).filter((slot) => !used.includes(slot))) {
    add(
      `models.${name}`,
      "has no effect: no part of the configuration asks for this model; give objective.kl a coefficient, or take this key away",
      "objective.kl.coefficient",
      "objective.kl.model",
    );
  }
}

function split(path: string): string[] {
  return path.split(".");
}
