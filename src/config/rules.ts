import type { Problem } from "./problems.js";
import type { Sections, Stage } from "./schema.js";

/** What the rules look at: the sections that could be read, and the kind of the stage. */
export type Readable = Partial<Sections> & { kind: Stage["kind"] };

/** A rule over sections; it is skipped where one of them could not be read. */
interface Rule<Key extends keyof Sections = keyof Sections> {
  sections: readonly Key[];
  check: (config: Pick<Sections, Key> & { kind: Stage["kind"] }, report: Report) => void;
}

type Report = (path: string, message: string) => void;

function rule<Key extends keyof Sections>(sections: readonly Key[], check: Rule<Key>["check"]): Rule {
  return { sections, check } as unknown as Rule;
}

/** Advantage estimators that compare the completions of a group; the others take a single completion as well. */
const groupless: readonly string[] = ["reinforce_pp", "gae", "remax"];

const rules: readonly Rule[] = [
  rule(["model"], ({ model }, report) => {
    if (model.path === undefined && model.architecture === undefined) {
      report("model", "missing; give `path` (a model folder) or `architecture` (random weights)");
    }
    if (model.path !== undefined && model.architecture !== undefined) {
      report("model.architecture", "`path` is given as well; keep one of the two");
    }
    const { tokenizer } = model;
    if (tokenizer !== undefined && (tokenizer.path === undefined) === (tokenizer.alphabet === undefined)) {
      report("model.tokenizer", "give either `path` (a folder) or `alphabet` (characters)");
    }
  }),
  rule(["model", "data"], ({ model, data }, report) => {
    if (model.architecture === undefined || model.tokenizer !== undefined || data.train.builtin !== undefined) return;
    report(
      "model.tokenizer",
      "missing; random weights on data of your own need one: give `path` (a folder) or `alphabet` (characters)",
    );
  }),
  rule(["model"], ({ model }, report) => {
    const a = model.architecture;
    if (a === undefined) return;
    const kv = a.num_key_value_heads ?? a.num_attention_heads;
    if (a.num_attention_heads % kv !== 0) {
      report(
        "model.architecture.num_key_value_heads",
        `must divide num_attention_heads (${a.num_attention_heads}): each key head serves the same number of query heads`,
      );
    }
    if (a.head_dim === undefined && a.hidden_size % a.num_attention_heads !== 0) {
      report(
        "model.architecture.hidden_size",
        `must be a multiple of num_attention_heads (${a.num_attention_heads}), or give head_dim`,
      );
    } else if ((a.head_dim ?? a.hidden_size / a.num_attention_heads) % 2 !== 0) {
      report(
        a.head_dim === undefined ? "model.architecture.hidden_size" : "model.architecture.head_dim",
        "the width of a head must be even: rotary positions turn pairs",
      );
    }
  }),
  rule(["rollout", "advantage"], ({ kind, rollout, advantage }, report) => {
    if (kind === "grpo" && rollout.group_size < 2 && !groupless.includes(advantage.kind)) {
      report("rollout.group_size", "a group needs at least 2 completions, or every advantage is 0");
    }
  }),
  rule(["rollout"], ({ kind, rollout }, report) => {
    if (kind === "grpo" && rollout.temperature === 0) {
      report(
        "rollout.temperature",
        "training needs a temperature above 0: greedy completions of a prompt are all the same",
      );
    }
  }),
  rule(["train"], ({ kind, train }, report) => {
    if (kind === "grpo" && train.minibatches > train.prompts_per_step) {
      report(
        "train.minibatches",
        `a minibatch takes whole groups, so there are at most train.prompts_per_step = ${train.prompts_per_step} of them`,
      );
    }
  }),
  rule(["rewards"], ({ kind, rewards }, report) => {
    if (kind === "grpo" && rewards.length === 0) report("rewards", "missing; without a reward every advantage is 0");
  }),
  rule(["models", "objective"], ({ models, objective }, report) => {
    for (const { path, slot } of modelsUsed(objective)) {
      if (Object.hasOwn(models, slot)) continue;
      report(path, `no model slot has this name; known are: ${Object.keys(models).join(", ")}`);
    }
  }),
  rule(["rollout", "advantage", "objective"], ({ rollout, advantage, objective }, report) => {
    if (rollout.environment !== null) return;
    const known = rollout.spans.map(({ name }) => name);
    const check = (path: string, span: string) => {
      if (known.includes(span)) return;
      report(path, `no spans have this name; rollout.spans gives: ${known.join(", ") || "none"}`);
    };
    if ("level" in objective && typeof objective.level === "object")
      check("objective.level.span", objective.level.span);
    if ("span" in advantage) check("advantage.span", advantage.span);
    advantage.then.forEach((step, i) => {
      if ("span" in step) check(`advantage.then.${i}.span`, step.span);
    });
  }),
  rule(["models", "shape"], ({ models, shape }, report) => {
    shape.forEach((item, i) => {
      if (!("model" in item) || Object.hasOwn(models, item.model)) return;
      report(`shape.${i}.model`, `no model slot has this name; known are: ${Object.keys(models).join(", ")}`);
    });
  }),
  rule(["rollout"], ({ rollout }, report) => {
    if (rollout.environment !== null && rollout.strategy.kind !== "parallel") {
      report("rollout.environment", `does not go with strategy ${rollout.strategy.kind}; use parallel, or null here`);
    }
  }),
  rule(["rollout", "advantage"], ({ rollout, advantage }, report) => {
    if (rollout.environment !== null && advantage.kind === "remax") {
      report("advantage.kind", "remax needs a greedy response per prompt, which rollout.environment does not draw");
    }
  }),
  rule(["rollout", "rewards"], ({ rollout, rewards }, report) => {
    rewards.forEach(({ kind }, i) => {
      if (kind !== "environment" || rollout.environment !== null) return;
      report(`rewards.${i}.kind`, "needs an environment that pays; give `rollout.environment`");
    });
  }),
  rule(["shape", "rewards"], ({ shape, rewards }, report) => {
    const names = rewards.map(({ name }) => name);
    shape.forEach((item, i) => {
      const check = (key: string, name: string, known: readonly string[], what: string) => {
        if (known.includes(name)) return;
        report(`shape.${i}.${key}`, `no ${what} is named "${name}"; there are: ${known.join(", ")}`);
      };
      if ("accuracy" in item && item.accuracy !== null) check("accuracy", item.accuracy, names, "reward");
      if (item.kind !== "weighted_sum") return;
      const weighted = item.weights === null ? names : Object.keys(item.weights);
      for (const name of weighted) check(`weights.${name}`, name, names, "reward");
      if (item.gate !== null) check("gate.component", item.gate.component, weighted, "weighted component");
    });
  }),
  rule(["rollout", "advantage", "objective"], ({ rollout, advantage, objective }, report) => {
    const terms = "terms" in objective ? objective.terms : [];
    const value = terms.findIndex(({ kind }) => kind === "value");
    if (advantage.kind === "gae" && value < 0) {
      report("advantage.kind", "gae needs values, which nothing teaches here; add {kind: value} to `objective.terms`");
    }
    if (advantage.kind !== "gae" && value >= 0) {
      report(`objective.terms.${value}.kind`, "needs returns to learn, which only advantage.kind gae computes");
    }
    if (advantage.kind === "remax" && rollout.strategy.kind !== "parallel") {
      report("advantage.kind", "needs a greedy completion of each prompt, which only rollout.strategy parallel draws");
    }
  }),
  rule(["eval", "rollout"], ({ eval: evaluation, rollout }, report) => {
    if (evaluation !== null && evaluation.samples > 1 && (evaluation.temperature ?? rollout.temperature) === 0) {
      report("eval.samples", "greedy samples of a prompt are all the same; use 1, or a temperature above 0");
    }
  }),
  rule(["eval", "checkpoint"], ({ eval: evaluation, checkpoint }, report) => {
    if (checkpoint.keep_best !== null && evaluation === null) {
      report("checkpoint.keep_best", "needs an evaluation; give `eval`, or take this key away");
    }
  }),
];

/** Mistakes that only show between keys. */
export function checkRules(config: Readable): Problem[] {
  const found: Problem[] = [];
  for (const { sections, check } of rules) {
    if (sections.some((section) => config[section] === undefined)) continue;
    check(config as Sections & { kind: Stage["kind"] }, (path, message) => found.push({ path: split(path), message }));
  }
  return found;
}

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
  if (config.kind === "sft") {
    const why = "has no effect in an sft stage: it teaches the text of `data.completion` with cross-entropy";
    for (const section of ["models", "collect", "shape", "advantage", "objective", "reward_model", "rollout.sync"]) {
      add(section, why);
    }
    for (const key of ["updates_per_rollout", "minibatches"]) add(`train.${key}`, why);
    return found;
  }
  if (config.kind === "reward_model") {
    const why = "has no effect in a reward_model stage: it learns from the texts and scores of `reward_model`";
    for (const section of ["models", "collect", "shape", "advantage", "objective", "rewards"]) add(section, why);
    for (const key of ["updates_per_rollout", "minibatches", "shared_prefix"]) add(`train.${key}`, why);
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
  idleObjective(config, add);
  idleModels(config, add);
  const { advantage, collect } = config;
  if (advantage?.kind === "group" && advantage.scale === "none") {
    for (const key of ["std", "epsilon", "variance_floor"]) {
      add(`advantage.${key}`, "has no effect with advantage.scale none: nothing is divided", "advantage.scale");
    }
  }
  if ((advantage?.kind === "pass_at_k" || advantage?.kind === "gigpo") && advantage.scale === "none") {
    for (const key of ["std", "epsilon"]) {
      add(`advantage.${key}`, "has no effect with advantage.scale none: nothing is divided", "advantage.scale");
    }
  }
  if (advantage?.kind === "risk_mvar" && advantage.credit !== "sum_mean") {
    add("advantage.credit_limit", "has no effect without advantage.credit sum_mean", "advantage.credit");
  }
  if (advantage?.kind === "stratified" && (advantage.key === "tool_sequence" || advantage.key === "call_outcome")) {
    add("advantage.max_bucket", "has no effect with this key: it is no count", "advantage.key");
  }
  if (advantage?.kind === "span_group" && advantage.scale === "none") {
    for (const key of ["std", "epsilon"]) {
      add(`advantage.${key}`, "has no effect with advantage.scale none: nothing is divided", "advantage.scale");
    }
  }
  advantage?.then.forEach((step, i) => {
    if (step.kind !== "semantic_entropy" || step.form === "focal") return;
    add(
      `advantage.then.${i}.gamma`,
      "has no effect with this form: it is the exponent of focal",
      `advantage.then.${i}.form`,
    );
  });
  config.rewards?.forEach((reward, i) => {
    if (reward.kind !== "recommendation" || reward.form === "exp_gamma") return;
    add(`rewards.${i}.gamma`, "has no effect with this form: it is the decay of exp_gamma", `rewards.${i}.form`);
  });
  if (collect !== undefined && collect.zero_variance !== "resample") {
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

/** Model slots that the objective asks for, and the keys that name them. */
function modelsUsed(objective: Sections["objective"]): { path: string; slot: string }[] {
  const { kl } = objective;
  const terms = "terms" in objective ? objective.terms : [];
  const slots = terms.flatMap((term, i) =>
    term.kind === "distill" ? [{ path: `objective.terms.${i}.model`, slot: term.model }] : [],
  );
  return kl.coefficient > 0 ? [{ path: "objective.kl.model", slot: kl.model }, ...slots] : slots;
}

function split(path: string): string[] {
  return path.split(".");
}
