import assert from "node:assert/strict";
import { test } from "node:test";
import type * as z from "zod";
import { recipeNames } from "../../src/config/recipes.js";
import { renderResolved } from "../../src/config/render.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { environmentSchema } from "../../src/config/schema/environment.js";
import { modelsSchema } from "../../src/config/schema/model.js";
import { objectiveSchema } from "../../src/config/schema/objective.js";
import { rewardsSchema } from "../../src/config/schema/rewards.js";
import { rolloutSchema } from "../../src/config/schema/rollout.js";
import { shapeSchema } from "../../src/config/schema/shape.js";
import { termsSchema } from "../../src/config/schema/terms.js";
import { branches, fieldsOf, schemasAt } from "../../src/config/walk.js";
import { fileOn } from "../../src/pipeline/recipe-page.js";
import { least, load, mistakes } from "./config-files.js";

const model = "model: {path: m}\n";

test("a key without effect is refused, unless it says what would hold anyway", () => {
  const refused = (text: string) => mistakes(`${model}${least}${text}\n`);
  assert.deepEqual(refused("objective: {kl: {placement: reward}}"), [
    "run.yaml:4:18: objective.kl.placement: has no effect while objective.kl.coefficient is 0; give a coefficient, or take this key away",
  ]);
  assert.deepEqual(refused("models: {teacher: {kind: path, path: t}}"), [
    "run.yaml:4:10: models.teacher: has no effect: no part of the configuration asks for this model; give objective.kl a coefficient, or take this key away",
  ]);
  assert.deepEqual(refused("advantage: {scale: none, epsilon: 0.1}"), [
    "run.yaml:4:26: advantage.epsilon: has no effect with advantage.scale none: nothing is divided",
  ]);
  assert.deepEqual(refused("collect: {max_resamples: 3}"), [
    "run.yaml:4:11: collect.max_resamples: has no effect without collect.zero_variance resample",
  ]);
  assert.deepEqual(refused("train: {layer_chunk: 64}"), [
    "run.yaml:4:9: train.layer_chunk: has no effect without train.activation_checkpointing stream: no layer is streamed",
  ]);
  assert.deepEqual(refused("objective: {constant: 3}"), [
    "run.yaml:4:13: objective.constant: has no effect with this aggregation; it is the divisor of sequence_mean_token_sum_norm and token_sum_norm",
  ]);
  const completion = least.replace("}}", '}, completion: "{text}"}');
  assert.deepEqual(mistakes(`${model}${completion}`), [
    "run.yaml:2:35: data.completion: has no effect without an sft stage: completions are drawn from the policy",
  ]);
  load(`${model}${least}models: {reference: {kind: initial}}\nobjective: {kl: {coefficient: 0, estimator: k3}}\n`);
});

test("switching a term off with --set does not make the file's other keys mistakes", () => {
  const text = `${model}${least}objective: {kl: {coefficient: 0.1, estimator: k1}}\nmodels: {reference: {kind: ema}}\n`;
  assert.equal(load(text, "objective.kl.coefficient=0").config.stages[0]?.objective.kl.coefficient, 0);
  assert.equal(load(text).config.stages[0]?.objective.kl.estimator, "k1");
});

test("a model slot that a term names must exist", () => {
  assert.deepEqual(mistakes(`${model}${least}objective: {kl: {coefficient: 0.1, model: teacher}}\n`), [
    "run.yaml:4:43: objective.kl.model: no model slot has this name; known are: reference",
  ]);
});

test("keys of grpo alone are refused in an sft stage, and free at the top when another stage reads them", () => {
  const top = `${model}${least}objective: {epsilon_high: 0.3}\n`;
  assert.deepEqual(
    mistakes(`${top}stages:\n  - {kind: sft, advantage: {scale: none}, train: {minibatches: 2}}\n  - {kind: grpo}\n`),
    [
      "run.yaml:6:17: stages.0.advantage: has no effect in an sft stage: it teaches the text of `data.completion` with cross-entropy",
      "run.yaml:6:51: stages.0.train.minibatches: has no effect in an sft stage: it teaches the text of `data.completion` with cross-entropy",
    ],
  );
  assert.equal(load(`${top}stages: [{kind: sft}, {kind: grpo}]\n`).config.stages[1]?.objective.kind, "clip");
  assert.deepEqual(mistakes(`${top}stages: [{kind: sft}]\n`), [
    "run.yaml:4:1: objective: has no effect in an sft stage: it teaches the text of `data.completion` with cross-entropy",
  ]);
});

test("a key that every stage overrides is refused, since it would change nothing", () => {
  const text = `${model}${least}stages: [{kind: sft, train: {steps: 2}}, {kind: grpo, train: {steps: 3}}]\n`;
  assert.deepEqual(mistakes(text, "train.steps=9"), [
    "--set: train.steps: has no effect: every stage overrides it; write it there, as stages.0.train.steps",
  ]);
  assert.equal(load(text, "stages.1.train.steps=9").config.stages[1]?.train.steps, 9);
});

/** Every kind of a union with the keys it knows. */
function kindsOf(schema: z.ZodType): { kind: string; keys: string[] }[] {
  return branches(schema)
    .filter((branch) => fieldsOf(branch).has("kind"))
    .map((branch) => {
      const kind = [...(fieldsOf(branch).get("kind")!._zod.values ?? [])].find((value) => value !== undefined);
      return { kind: String(kind), keys: [...fieldsOf(branch).keys()].filter((key) => key !== "kind") };
    });
}

const item = (list: z.ZodType) => schemasAt(list, [0])[0] as z.ZodType;
/** Sections whose kinds have options of their own, and where one of them is written. */
const unions: [path: string, schema: z.ZodType, write: (mapping: string) => string][] = [
  ["objective", objectiveSchema, (mapping) => `objective: ${mapping}`],
  ["objective.terms.0", item(termsSchema), (mapping) => `objective: {terms: [${mapping}]}`],
  ["advantage", advantageSchema, (mapping) => `advantage: ${mapping}`],
  [
    "advantage.then.0",
    schemasAt(advantageSchema, ["then", 0])[0] as z.ZodType,
    (mapping) => `advantage: {then: [${mapping}]}`,
  ],
  ["shape.0", item(shapeSchema), (mapping) => `shape: [${mapping}]`],
  [
    "rollout.strategy",
    schemasAt(rolloutSchema, ["strategy"])[0] as z.ZodType,
    (mapping) => `rollout: {strategy: ${mapping}}`,
  ],
  ["rollout.environment", environmentSchema, (mapping) => `rollout: {environment: ${mapping}}`],
  [
    "models.reference",
    schemasAt(modelsSchema, ["reference"])[0] as z.ZodType,
    (mapping) => `models: {reference: ${mapping}}`,
  ],
];

for (const [path, schema, write] of unions) {
  test(`${path}: every option of another kind is refused by its name, and the kinds that have it are told`, () => {
    const kinds = kindsOf(schema);
    assert.ok(kinds.length > 1);
    for (const { kind, keys } of kinds) {
      const foreign = [...new Set(kinds.flatMap((other) => other.keys))].filter((key) => !keys.includes(key));
      if (foreign.length === 0) continue;
      const mapping = `{kind: ${kind}${foreign.map((key) => `, ${key}: 1`).join("")}}`;
      const lines = mistakes(`${model}${least}${write(mapping)}\n`);
      for (const key of foreign) {
        const owners = kinds.filter((other) => other.keys.includes(key)).map((other) => other.kind);
        const end = `${path}.${key}: has no effect with ${path}.kind ${kind}: it belongs to ${owners.join(", ")}; change the kind, or take this key away`;
        assert.ok(
          lines.some((line) => line.endsWith(end)),
          `${end}\n${lines.join("\n")}`,
        );
      }
    }
  });
}

test("rewards: every option of another kind is refused by its name", () => {
  const kinds = kindsOf(item(rewardsSchema));
  for (const { kind, keys } of kinds) {
    const foreign = [...new Set(kinds.flatMap((other) => other.keys))].filter((key) => !keys.includes(key));
    const list = `rewards: [{name: x, kind: ${kind}${foreign.map((key) => `, ${key}: 1`).join("")}}]\n`;
    const lines = mistakes(`${model}${least.split("\n")[0]}\n${list}`);
    for (const key of foreign) {
      assert.ok(
        lines.some((line) => line.includes(`rewards.0.${key}: has no effect with rewards.0.kind ${kind}: `)),
        key,
      );
    }
  }
});

for (const name of recipeNames()) {
  test(`recipe ${name}: options of other objectives and advantages are refused where its file adds them`, () => {
    const text = (rest: string) => `${fileOn(name).join("\n")}\n${rest}`;
    const stage = load(text("")).config.stages[0]!;
    for (const [section, schema] of [
      ["objective", objectiveSchema],
      ["advantage", advantageSchema],
    ] as const) {
      const kinds = kindsOf(schema);
      const own = kinds.find(({ kind }) => kind === stage[section].kind)!;
      const foreign = [...new Set(kinds.flatMap(({ keys }) => keys))].filter((key) => !own.keys.includes(key));
      const lines = mistakes(text(`${section}: {${foreign.map((key) => `${key}: 1`).join(", ")}}\n`));
      for (const key of foreign) {
        assert.ok(
          lines.some((line) => line.includes(`${section}.${key}: has no effect with ${section}.kind ${own.kind}: `)),
          `${key}\n${lines.join("\n")}`,
        );
      }
    }
  });
}

const noEffect: [text: string, line: string][] = [
  [
    "objective: {kind: reg_grpo, kl: {coefficient: 0.1, corrected: true}}",
    "objective.kl.corrected: has no effect with objective.kind reg_grpo, which has no ratio",
  ],
  [
    "objective: {kind: cispo, level: sequence, straight_through: true}",
    "objective.straight_through: has no effect with objective.kind cispo, which holds the ratio constant in the gradient",
  ],
  [
    "objective: {rejection: [{unit: token, estimator: k2, min: 0.5, max: 2}]}",
    "objective.rejection.0.min: has no effect with this estimator: k2 and k3 are distances, which `max` alone bounds",
  ],
  [
    "models: {teacher: {kind: initial}}\nobjective: {terms: [{kind: distill, correct_at: 0.5}]}",
    "objective.terms.0.correct_at: has no effect without a mask: nobody is left out",
  ],
  [
    "models: {teacher: {kind: initial}}\nobjective: {terms: [{kind: distill, top_tokens: {k: 4}}]}",
    "objective.terms.0.top_tokens.k: has no effect with this estimator: it looks at the sampled token alone",
  ],
  [
    "models: {teacher: {kind: initial}}\nobjective: {terms: [{kind: distill, mode: additive, estimator: k3}]}",
    "objective.terms.0.estimator: has no effect with mode additive, which adds teacher - policy itself",
  ],
  [
    "advantage: {aggregation: normalize_each, scale: none}",
    "advantage.scale: has no effect with advantage.aggregation normalize_each, which divides each reward by its own deviation",
  ],
  [
    "advantage: {aggregation: normalize_each}\nshape: [{kind: clip, min: 0, max: 1}, {kind: mask_truncated}]",
    "shape.0: has no effect with advantage.aggregation normalize_each: clip changes the total reward, which it does not read",
  ],
  [
    "advantage: {kind: process}\nshape: [{kind: unlikeliness}]",
    "shape.0: has no effect with advantage.kind process: unlikeliness changes the total reward, which it does not read",
  ],
  [
    "advantage: {kind: pass_at_k, scale: none, std: population}",
    "advantage.std: has no effect with advantage.scale none: nothing is divided",
  ],
  [
    "advantage: {kind: risk_mvar, epsilon: 0.1}",
    "advantage.epsilon: has no effect here: neither measure, normalize nor credit divides by a deviation",
  ],
  [
    "advantage: {kind: risk_mvar, measure: {kind: released, tail: none, weight: 2}}",
    "advantage.measure.weight: has no effect with advantage.measure.tail none",
  ],
  [
    "advantage: {kind: risk_mvar, bundle_size: 1, permute: false}",
    "advantage.permute: has no effect on bundles of one prompt: there is nobody to pair",
  ],
  [
    "advantage: {then: [{kind: semantic_entropy, entropy: discrete, length_norm: false}]}",
    "advantage.then.0.length_norm: has no effect with entropy discrete, which counts responses",
  ],
  [
    "advantage: {then: [{kind: prefix_tree, scale: none, epsilon: 0.1}]}",
    "advantage.then.0.epsilon: has no effect with advantage.then.0.scale none: nothing is divided",
  ],
  [
    "rollout: {spans: [{kind: newline, name: line}]}",
    "rollout.spans.0: has no effect: no objective.level, advantage or advantage.then names the span line",
  ],
];

for (const [text, line] of noEffect) {
  test(`nothing reads it: ${line}`, () => {
    const lines = mistakes(`${model}${least}${text}\n`).map((found) => found.replace(/^run\.yaml:\d+:\d+: /, ""));
    assert.ok(lines.length > 0 && lines.every((found) => found === line || found.startsWith(line.split(":")[0]!)));
    assert.ok(lines.includes(line), lines.join("\n"));
  });
}

test("options of a reward that its other options leave without effect are refused", () => {
  const reward = (text: string) => mistakes(`${model}${least.split("\n")[0]}\nrewards: [{name: x, ${text}}]\n`);
  assert.deepEqual(reward("kind: regex, pattern: a, group: 2"), [
    "run.yaml:3:46: rewards.0.group: has no effect without `answer`, which the group is compared with",
  ]);
  assert.deepEqual(reward('kind: latex_boxed, answer: "{a}", answers: choice, normalise: extended'), [
    "run.yaml:3:72: rewards.0.normalise: has no effect on letters of a choice",
  ]);
});

test("an estimator that never reads the total reward takes no KL in it", () => {
  const kl = "objective: {kl: {coefficient: 0.1, placement: reward}}";
  assert.deepEqual(mistakes(`${model}${least}advantage: {kind: process}\n${kl}\n`), [
    "run.yaml:5:47: objective.kl.placement: advantage.kind process does not read the total reward, which this takes KL off; use loss",
  ]);
});

test("what a resolved configuration leaves out does not change the places of what follows", () => {
  const text = `extends: recipe:multi-objective-grpo\n${model}${least}shape: [{kind: weighted_sum}, {kind: mask_truncated}]\n`;
  const loaded = load(text, "advantage.aggregation=normalize_each");
  const shown = renderResolved(loaded);
  assert.match(shown, /shape:\n {2}- kind: mask_truncated/);
  assert.deepEqual(load(shown).config.stages[0]?.shape, [{ kind: "mask_truncated" }]);
});
