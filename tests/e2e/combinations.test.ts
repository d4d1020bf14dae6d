import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { grpo, metricsOf, scratch } from "../program.js";

const folder = scratch();

/** A tiny random model on sums, whose alphabet has no line ends: all of a response is one rank. */
const base = `
model:
  architecture: {model_type: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 96}
rewards:
  - {name: short, kind: length, target: 2, margin: 3}
  - {name: right, kind: exact, answer: "{answer}"}
optimizer: {learning_rate: 1.0e-2}
train: {steps: 2, prompts_per_step: 4, minibatches: 2, updates_per_rollout: 2}
`;
const bare = base.replace(/rewards:\n(?: {2}- .*\n)+/, "");
const sums = "data: {train: {builtin: addition, max: 9}, max_prompt_tokens: 8}\n";
const rollout = (more: string) => `${sums}rollout: {group_size: 4, max_completion_tokens: 5${more}}\n`;
const lines = rollout(", spans: [{kind: newline, name: rank, max_items: 3}]");
const maze = (more: string) =>
  `data: {train: {builtin: grid_world, size: 3, walls: 1, count: 8}, max_prompt_tokens: 16}
rollout: {group_size: 4, max_completion_tokens: 60, environment: {kind: grid_world, max_turns: 3, max_turn_tokens: 3${more}}}\n`;

/** Parts of methods that nobody published together. */
const combinations: Record<string, string> = {
  "rank ratios, leave-one-out advantages and CISPO": `${lines}
advantage: {kind: leave_one_out}
objective: {kind: cispo, level: {span: rank}, epsilon_low: 0.2, epsilon_high: 0.3, kl: {coefficient: 0.01, estimator: k3+}}`,
  "strata and GSPO": `${rollout("")}
advantage: {kind: stratified, alpha: 0.5}
objective: {kind: clip, level: sequence, epsilon_low: 3.0e-4, epsilon_high: 4.0e-4}`,
  "a prefix tree on GSPO's ratio, whitened": `${rollout("")}
advantage: {kind: group, then: [{kind: prefix_tree}, {kind: whiten}]}
objective: {kind: clip, level: sequence, straight_through: true}`,
  "a regression on leave-one-out advantages with a reward of unlikeliness": `${rollout("")}
shape: [{kind: unlikeliness}, {kind: lambda_length, lambda: 1}]
advantage: {kind: leave_one_out}
objective: {kind: reg_grpo, kl: {coefficient: 0.1, adaptive: {target: 0.1}}}`,
  "early exits, bundles at risk and a teacher's likeliest tokens": `${rollout(
    ", strategy: {kind: serial_group, exits: 3, inducer: '=', end_of_thought: '+', answer_max_tokens: 2}",
  ).replace("group_size: 4, ", "")}
models: {teacher: {kind: initial}}
advantage: {kind: risk_mvar}
objective: {kind: sapo, terms: [{kind: distill, estimator: top_k, top_tokens: {k: 4}}, {kind: entropy, coefficient: 0.01}]}`,
  "step groups, turns as units of a geometric mean, one conversation": `${maze("")}
rewards: [{name: paid, kind: environment}]
advantage: {kind: gigpo}
objective: {kind: geometric_mean, level: {span: turn}}`,
  "a prompt per step, leave-one-out advantages and a hard mask": `${maze(', step_prompts: {template: "{observation}\\n>"}')}
rewards: [{name: short, kind: length, target: 2, margin: 40}]
advantage: {kind: leave_one_out}
objective: {kind: rec, clip: ring, level: sequence}`,
  "hidden novelty, semantic entropy and preserved likelihood under a lagging sampler": `${rollout(", sync: {interval: 2}")}
models: {reference: {kind: initial}}
shape: [{kind: elliptical, dim: 8}]
advantage: {kind: group, then: [{kind: semantic_entropy}]}
objective: {kind: vespo, old: behaviour, rollout_correction: {}, terms: [{kind: likelihood_preserve, gate: response}]}`,
  "a value head, sequence ratios and a KL penalty in the reward": `${rollout("")}
advantage: {kind: gae}
objective: {kind: clip, level: sequence, kl: {coefficient: 0.05, placement: reward, estimator: k1}, terms: [{kind: value}]}`,
};

for (const [name, text] of Object.entries(combinations)) {
  test(`${name} train together`, () => {
    const file = join(folder, "run.yaml");
    const own = text.includes("\nrewards:") ? bare : base;
    writeFileSync(file, `run: {name: ${name.replace(/\W+/g, "-")}, out_dir: ${folder}}\n${own}${text}\n`);
    const { code, err } = grpo(folder, ["train", "--config", file]);
    assert.deepEqual([code, err], [0, ""]);
    const steps = metricsOf(join(folder, name.replace(/\W+/g, "-")));
    assert.equal(steps.length, 2);
    for (const step of steps) {
      assert.ok(Number.isFinite(step.loss) && Number(step.grad_norm) > 0, JSON.stringify(step));
    }
    // The first update is of the weights that sampled.
    assert.equal(steps[0]!["mismatch/logprob_max_abs"], 0);
  });
}

test("a regression refuses advantages that differ within a response, once they do", () => {
  const rewards = "rewards: [{name: short, kind: length, target: 2, margin: 40}]\n";
  const text = `${maze("")}${rewards}advantage: {kind: gigpo}\nobjective: {kind: reg_grpo}\n`;
  writeFileSync(join(folder, "late.yaml"), `run: {name: late, out_dir: ${folder}}\n${bare}${text}`);
  const { code, err } = grpo(folder, ["train", "--config", "late.yaml"]);
  assert.equal(code, 3);
  assert.equal(
    err,
    "the objective needs one advantage per response, and its actions have several\n" +
      "  choose an advantage that judges whole responses, such as group or leave_one_out\n",
  );
});

test("combinations without a meaning are refused before anything runs", () => {
  const refuse = (text: string, line: string) => {
    writeFileSync(join(folder, "odd.yaml"), `${base}${text}\n`);
    const { code, err } = grpo(folder, ["train", "--config", "odd.yaml"]);
    assert.equal(code, 3);
    assert.ok(err.includes(line), err);
  };
  refuse(
    `${rollout("")}advantage: {then: [{kind: prefix_tree}]}\nobjective: {kind: reg_grpo}`,
    "objective.kind: reg_grpo fits one number per response, and advantage.then prefix_tree judges its actions",
  );
  refuse(
    `${lines}advantage: {kind: span_group, span: rank, positions: 3, then: [{kind: standardize}]}`,
    "advantage.then.0.kind: counts each response once, and advantage.kind span_group judges its actions; use whiten",
  );
  refuse(
    `${maze("")}objective: {level: {span: rank}}`,
    "objective.level.span: no spans have this name; rollout gives: turn",
  );
});
