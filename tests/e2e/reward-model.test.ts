import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { contentOf, grpo, grpoUntil, metricsOf, scratch } from "../program.js";

const folder = scratch();

/** Sums of digits: the right one against its neighbour, and scores of a response. */
function writeData(): void {
  const sums = Array.from({ length: 40 }, (_, i) => ({ a: i % 8, b: (i * 3) % 10 }));
  const pairs = sums.map(({ a, b }) => ({ prompt: `${a}+${b}=`, chosen: `${a + b}`, rejected: `${(a + b + 1) % 10}` }));
  pairs.push({ prompt: "1+1=", chosen: "2", rejected: "2" }, { prompt: "1+1=", chosen: "2", rejected: "22222" });
  const labels = sums.map(({ a, b }, i) => ({
    prompt: `${a}+${b}=`,
    response: `${a + b + (i % 2)}`,
    right: i % 2 === 0 ? 10 : 0,
    ...(i % 3 > 0 && { notes: { short: a + b + (i % 2) < 10 ? 1 : 0 } }),
  }));
  const lines = (rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  writeFileSync(join(folder, "pairs.jsonl"), lines(pairs));
  writeFileSync(join(folder, "labels.jsonl"), lines(labels));
}

const head = (name: string, data: string) => `run: {name: ${name}}
model:
  tokenizer: {alphabet: "0123456789+="}
  architecture: {model_type: qwen3, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 32}
data: {train: {path: ${data}.jsonl}, max_prompt_tokens: 8}
rollout: {max_completion_tokens: 4}
optimizer: {learning_rate: 0.01}
checkpoint: {every: 1, keep_last: 20}
`;

const stages = {
  pairs:
    "stages: [{kind: reward_model, train: {steps: 5, prompts_per_step: 8}, eval: {data: {path: pairs.jsonl}, every: 2}}]\n",
  labels: `stages:
  - kind: reward_model
    reward_model: {kind: labels, labels: {right: {max: 10}, short: {column: notes.short}}}
    train: {steps: 5, prompts_per_step: 8}
    eval: {data: {path: labels.jsonl}}
`,
};

function train(name: string, text: string, ...more: string[]) {
  writeFileSync(join(folder, `${name}.yaml`), text);
  return grpo(folder, ["train", "--config", `${name}.yaml`, ...more]);
}

before(() => {
  writeData();
  for (const kind of ["pairs", "labels"] as const) {
    const { code, err, out } = train(kind, head(kind, kind) + stages[kind]);
    assert.deepEqual([code, err], [0, ""], out);
  }
});

test("a model of pairs starts at chance, learns, and leaves out pairs that length or noise would tell apart", () => {
  const rows = metricsOf(join(folder, "runs/pairs"));
  assert.equal(rows[0]!["eval/accuracy"], 0, "a tie is wrong");
  assert.ok(Math.abs(Number(rows[1]!.loss) - Math.log(2)) < 1e-12);
  assert.ok(Number(rows.at(-1)!["eval/accuracy"]) > 0.2, "learns");
  assert.match(readFileSync(join(folder, "runs/pairs/log.txt"), "utf8"), /; 2 pairs left out as too alike/);
});

test("a model of labels measures each of them, and rows without one do not teach it", () => {
  const rows = metricsOf(join(folder, "runs/labels"));
  const first = rows[1]!;
  assert.ok(Math.abs(Number(first["labels/right/error"]) - 0.5) < 0.26);
  const last = rows.at(-1)!;
  for (const name of ["right", "short"]) {
    assert.ok(Number.isFinite(last[`eval/${name}/mse`]) && Number.isFinite(last[`eval/${name}/correlation`]));
    assert.ok(Number(last[`eval/${name}/mse`]) < Number(rows[0]![`eval/${name}/mse`]));
  }
});

test("its checkpoints are sequence classifiers of Hugging Face", () => {
  const config = JSON.parse(readFileSync(join(folder, "runs/labels/checkpoints/step-000005/config.json"), "utf8"));
  assert.deepEqual(config.architectures, ["Qwen3ForSequenceClassification"]);
  assert.deepEqual(config.id2label, { 0: "right", 1: "short" });
});

for (const kind of ["pairs", "labels"] as const) {
  test(`a reward model of ${kind} that is killed and resumed is the uninterrupted one, byte for byte`, async () => {
    const name = `${kind}-killed`;
    writeFileSync(join(folder, `${name}.yaml`), head(name, kind) + stages[kind]);
    const args = ["train", "--config", `${name}.yaml`];
    await grpoUntil(folder, args, /^reward_model 3\//m, (child) => child.kill("SIGKILL"));
    const { code, err, out } = grpo(folder, [...args, "--resume", "--set", "train.max_tokens_per_microbatch=9"]);
    assert.deepEqual([code, err], [0, ""], out);
    assert.deepEqual(contentOf(join(folder, "runs", name)), contentOf(join(folder, "runs", kind)));
  });
}

const policy = (
  name: string,
  rewards: string,
) => `${head(name, "pairs").replace("rollout: {", "rollout: {group_size: 4, ")}
rewards:
${rewards}
train: {steps: 4, prompts_per_step: 4}
`;
const model = (kind: string) => `kind: reward_model, path: runs/${kind}/checkpoints/step-000005`;

test("a policy trains on the scores of a reward model behind a gate, and resumes byte for byte", async () => {
  const rewards = `  - {name: short, kind: length, target: 2, margin: 3}
  - {name: quality, ${model("pairs")}, when: rewards.short > 0.5, extract: "^.+"}`;
  const { code, err, out } = train("gated", policy("gated", rewards));
  assert.deepEqual([code, err], [0, ""], out);
  const run = join(folder, "runs/gated");
  for (const row of metricsOf(run)) {
    const quality = Number(row["reward/quality/mean"]);
    assert.ok(quality > 0 && quality < 1, "the sigmoid of a score");
    assert.equal(row["reward/quality/non_finite"], 0);
    assert.ok(Number.isFinite(row["reward/quality/score"]));
  }
  writeFileSync(join(folder, "stopped.yaml"), policy("stopped", rewards));
  const args = ["train", "--config", "stopped.yaml"];
  await grpoUntil(folder, args, /^grpo 2\//m, (child) => child.kill("SIGKILL"));
  assert.equal(grpo(folder, [...args, "--resume"]).code, 0);
  assert.deepEqual(contentOf(join(folder, "runs/stopped")), contentOf(run));
});

test("rewards that name labels of one model weigh them into one reward", () => {
  const rewards = `  - {name: right, ${model("labels")}, label: right, scope: step}
  - {name: short, ${model("labels")}, label: short}
shape: [{kind: weighted_sum}]`;
  const { code, err, out } = train("several", policy("several", rewards));
  assert.deepEqual([code, err], [0, ""], out);
  for (const row of metricsOf(join(folder, "runs/several"))) {
    for (const name of ["right", "short"]) {
      const value = Number(row[`reward/${name}/mean`]);
      assert.ok(value >= 0 && value <= 1);
    }
    assert.equal(row["objectives/missing"], 0);
  }
});

test("what cannot be scored is told in one message", () => {
  const failure = (rewards: string) => {
    const { code, err } = train("wrong", policy("wrong", rewards));
    return { code, err: err.replaceAll(`${folder}/`, "") };
  };
  assert.deepEqual(failure(`  - {name: q, ${model("labels")}}`), {
    code: 3,
    err: `rewards: q: the reward model in runs/labels/checkpoints/step-000005 has several scores and no \`label\` says which
  give one of: right, short
`,
  });
  assert.deepEqual(failure("  - {name: q, kind: reward_model, path: runs/gated/checkpoints/step-000004}"), {
    code: 4,
    err: `runs/gated/checkpoints/step-000004: config.json names ["Qwen3ForCausalLM"], which is no reward model
  give a checkpoint of a reward_model stage, or the folder of a sequence classifier
`,
  });
  const mixed = train(
    "mixed",
    `${head("mixed", "pairs")}rewards: [{name: q, kind: length, max: 2}]
stages: [{kind: reward_model, train: {steps: 1}}, {kind: grpo, train: {steps: 1}}]
`,
  );
  assert.equal(mixed.code, 3);
  assert.match(
    mixed.err,
    /stages\.1\.kind: a grpo stage cannot follow a reward_model stage, which ends with a model that scores/,
  );
});
