import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { writeWordEncoder } from "../../bench/methods/word-encoder.js";
import { readRecipe, recipeNames } from "../../src/config/recipes.js";
import { metricMeaning } from "../../src/report/metric-meaning.js";
import { grpo, metricsOf, scratch } from "../program.js";
import { projectRoot } from "../shared.js";

const folder = scratch();

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}
const rows = (path: string, list: object[]) => write(path, list.map((row) => `${JSON.stringify(row)}\n`).join(""));

/** A tiny random model; the built-in sums, for recipes without data of their own. */
write(
  "tiny.yaml",
  `model:
  architecture: {model_type: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 48}
data: {max_prompt_tokens: 16}
rollout: {max_completion_tokens: 4}
collect: {min_rows: 0}
train: {steps: 2, prompts_per_step: 8}
optimizer: {learning_rate: 1.0e-3}
`,
);
write("sums.yaml", "data: {train: {builtin: addition, max: 9}}\n");
/** A reward that random completions differ in, for recipes that bring none. */
write("short.yaml", "rewards: [{name: short, kind: length, target: 2, margin: 3}]\n");

const alphabet = 'tokenizer: {alphabet: "abcdefghijklmnopqrstuvwxyz0123456789 :?<>/\\n()"}';
/** Questions with a collection of documents to search. */
rows("facts.jsonl", [{ contents: '"a"\nb c' }, { contents: '"d"\ne' }]);
rows(
  "questions.jsonl",
  ["a", "d"].map((prompt, i) => ({ prompt, golden_answers: ["b", "e"], data_source: ["one", "two"][i] })),
);
const search = `model: {${alphabet}}
data: {train: {path: questions.jsonl}}
rollout: {environment: {kind: search, corpus: facts.jsonl, max_turns: 2, max_turn_tokens: 4}, max_completion_tokens: 16}
`;

rows(
  "lists.jsonl",
  ["a", "b"].map((prompt) => ({ prompt, groundtruth_with_release_year: [["a", 1999]], seen_titles: [] })),
);
write("catalog.json", JSON.stringify([["a", 1999]]));

const explanation = "because the letters of the first word are those of the second, and so on until the end of it";
rows(
  "explained.jsonl",
  ["a", "b"].map((prompt, i) => ({ prompt, explanation, answer: "a", subject: ["one", "two"][i] })),
);
writeWordEncoder(join(folder, "encoder"), [...new Set([...explanation.split(" "), ..."abcdefghijklmnopqrstuvwxyz"])]);

/** What recipes for data of their own kind are run with, instead of the built-in sums. */
const own: Record<string, string> = {
  gigpo: `data: {train: {builtin: grid_world, size: 3, walls: 0}}
rollout: {environment: {kind: grid_world, max_turns: 2, max_turn_tokens: 1}, max_completion_tokens: 30}
rewards: [{name: goal, kind: environment}]
`,
  "grpo-care": "rewards: [{name: two, kind: length, target: 2, margin: 2}]\n",
  llds: `${search}rewards: [{name: short, kind: length, target: 2, margin: 30}]\n`,
  "multi-objective-grpo":
    'rewards: [{name: low, kind: regex, pattern: "[0-4]"}, {name: brevity, kind: length, max: 2, margin: 3}]\n',
  "one-shot-rlvr": "data: {select: {method: random, ranks: [1]}}\ntrain: {prompts_per_step: 4}\n",
  "posterior-grpo": 'rewards: {1: {extract: "(\\\\d)"}}\n',
  "rank-grpo": `model: {${alphabet}}
data: {train: {path: lists.jsonl}}
rewards: [{name: hits, kind: recommendation, catalog: catalog.json, max_items: 20}]
`,
  "rec-offpolicy": "rollout: {sync: {interval: 2}}\n",
  "reg-grpo": `rollout: {strategy: {kind: difficulty_hint, guide: "{prompt}{answer}+", prompt: "{hint}+{prompt}"}}
train: {updates_per_rollout: 2}
`,
  "s-grpo": `rollout: {strategy: {inducer: "=", end_of_thought: "+", exits: 2, answer_max_tokens: 2}}
shape: [{kind: serial_decay, correct_at: 0.5}]
`,
  "search-r1": search,
  "semantic-reward": `model: {${alphabet}}
data: {train: {path: explained.jsonl}}
rewards: {0: {encoder: ./encoder}}
`,
  "stratified-grpo": `${search}rewards: [{name: short, kind: length, target: 2, margin: 30}]\n`,
  "wireless-math": `data: {metrics_by: answer}\nrewards: [{name: box, kind: latex_boxed, answer: "{answer}"}]\n`,
};

/** Metrics that need another mode of the method, an evaluation, or luck that random completions do not have. */
const elsewhere: Record<string, string[]> = {
  kdrl: ["distill/sign_flips", "distill/top_mass"],
  llds: ["llds/answer_probability_min"],
  "posterior-grpo": ["reward/thinking/length_correlation"],
  "rank-grpo": ["reward/NAME/in_catalog"],
  "rec-offpolicy": ["balance/dropped", "old_policy/k2"],
  "search-r1": ["reward/em/hit", "time/retrieval_s"],
  "semantic-reward": ["reward/semantic-accuracy/correlation", "reward/semantic/other_language"],
  "unlikeliness-reward": ["eval/pass@32"],
};

/** Names that a documented one stands for. */
function pattern(metric: string): RegExp {
  const source = metric
    .replace(/[.+]/g, "\\$&")
    .replace("METRIC@VALUE", ".+@.+")
    .replace("NAME-OTHER", "[^/]+-[^/]+")
    .replace("NAME", "[^/]+?")
    .replace(/_[NQ]$/, "_[\\d.]+");
  return new RegExp(`^${source}$`);
}

test("recipes that bring rewards of their own are trained with them, and no recipe is left out", () => {
  const files = readdirSync(join(projectRoot, "configs/recipes")).map((file) => file.replace(/\.yaml$/, ""));
  assert.deepEqual(recipeNames(), files.sort());
  for (const name of Object.keys(own)) assert.ok(files.includes(name), name);
});

for (const name of recipeNames()) {
  test(`recipe ${name} trains two steps, on-policy to the bit at first, and logs what its method measures`, () => {
    const { text, info } = readRecipe(name);
    const brings = /^rewards:/m.test(text) || /^rewards:/m.test(own[name] ?? "");
    const sums = /^data: \{train:/m.test(own[name] ?? "") ? [] : ["sums.yaml"];
    const bases = [`recipe:${name}`, "tiny.yaml", ...sums, ...(brings ? [] : ["short.yaml"])];
    write(`${name}.yaml`, `extends: [${bases.join(", ")}]\nrun: {name: ${name}}\n${own[name] ?? ""}`);
    const { code, err, out } = grpo(folder, ["train", "--config", `${name}.yaml`]);
    assert.deepEqual([code, err], [0, ""], out);
    const steps = metricsOf(join(folder, "runs", name));
    assert.equal(steps.length, 2);
    for (const step of steps) {
      // A sampler that lags behind draws nothing that the current weights could be compared with.
      const lags = Number(step["rollout/age_steps"] ?? 0) > 0;
      assert.equal(step["mismatch/logprob_max_abs"], lags ? null : 0);
      assert.ok(Number.isFinite(step.loss) && Number(step.grad_norm) >= 0);
    }
    const logical = steps.map((step) => Number(step["tokens/train_logical"]));
    assert.equal(steps[1]!["tokens/seen"], logical[0]! + logical[1]!);
    const numbers = new Set(
      steps.flatMap((step) => Object.keys(step).filter((metric) => typeof step[metric] === "number")),
    );
    for (const metric of info.metrics.filter((one) => elsewhere[name]?.includes(one) !== true)) {
      assert.ok(
        [...numbers].some((one) => pattern(metric).test(one)),
        `${metric} is none of ${[...numbers].join(" ")}`,
      );
    }
    for (const metric of numbers) {
      if (metric !== "step") assert.notEqual(metricMeaning(metric), metricMeaning("nobody/logs_this"), metric);
    }
  });
}
