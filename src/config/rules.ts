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

/** Estimators and transforms after which the actions of a response differ in their advantages. */
const perAction: readonly string[] = ["gae", "process", "span_group", "prefix_tree", "list_length"];

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
    const alone = groupless.includes(advantage.kind) || ("single" in advantage && advantage.single === "reward");
    if (kind === "grpo" && rollout.group_size < 2 && !alone) {
      report("rollout.group_size", "a group needs at least 2 completions, or every advantage is 0");
    }
  }),
  rule(["rewards", "advantage"], ({ kind, rewards, advantage }, report) => {
    if (kind !== "grpo" || advantage.kind !== "span_group" || rewards.length === 0) return;
    if (rewards.some((reward) => reward.kind === "recommendation")) return;
    report(
      "rewards",
      "none gives a value per span, which advantage.kind span_group compares; add one of kind recommendation",
    );
  }),
  rule(["objective", "advantage"], ({ objective, advantage }, report) => {
    const reader = rewardlessEstimator(advantage);
    if (reader === null || objective.kl.coefficient === 0 || objective.kl.placement !== "reward") return;
    report("objective.kl.placement", `${reader} does not read the total reward, which this takes KL off; use loss`);
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
    const turns = rollout.environment === null ? [] : ["turn"];
    const known = [...turns, ...rollout.spans.map(({ name }) => name)];
    const check = (path: string, span: string) => {
      if (known.includes(span)) return;
      report(path, `no spans have this name; rollout gives: ${known.join(", ") || "none"}`);
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
  rule(["rollout", "rewards"], ({ rollout, rewards }, report) => {
    if (rollout.strategy.kind !== "difficulty_hint") return;
    rewards.forEach((reward, i) => {
      if (!("scope" in reward) || reward.scope !== "step") return;
      report(`rewards.${i}.scope`, "strategy difficulty_hint needs rewards before the step is complete; use group");
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
  rule(["advantage", "objective"], ({ advantage, objective }, report) => {
    // Where each action has an advantage of its own, parts that know one number per response have nothing to go by.
    let several = perAction.includes(advantage.kind) ? `advantage.kind ${advantage.kind}` : null;
    advantage.then.forEach(({ kind }, i) => {
      if (perAction.includes(kind)) several ??= `advantage.then ${kind}`;
      if (kind !== "standardize" || several === null) return;
      report(`advantage.then.${i}.kind`, `counts each response once, and ${several} judges its actions; use whiten`);
    });
    if (objective.kind !== "reg_grpo" || several === null) return;
    report(
      "objective.kind",
      `reg_grpo fits one number per response, and ${several} judges its actions; choose another`,
    );
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

/** What of the configuration names an estimator that looks at reward components, or steps, and never at a row's total. */
export function rewardlessEstimator(advantage: Sections["advantage"]): string | null {
  if (advantage.kind === "span_group" || advantage.kind === "process") return `advantage.kind ${advantage.kind}`;
  if (advantage.kind !== "group" || advantage.aggregation === "sum_then_normalize") return null;
  return `advantage.aggregation ${advantage.aggregation}`;
}

/** Mistakes that only show between keys. */
export function checkRules(config: Readable): Problem[] {
  const found: Problem[] = [];
  for (const { sections, check } of rules) {
    if (sections.some((section) => config[section] === undefined)) continue;
    check(config as Sections & { kind: Stage["kind"] }, (path, message) => found.push({ path: split(path), message }));
  }
  return found;
}

/** Model slots that the objective asks for, and the keys that name them. */
export function modelsUsed(objective: Sections["objective"]): { path: string; slot: string }[] {
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
