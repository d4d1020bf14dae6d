import assert from "node:assert/strict";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { words, writeWordModel } from "../model-folder.js";
import { grpo, scratch } from "../program.js";

const folder = scratch();
const model = join(folder, "model");

before(async () => {
  await writeWordModel(model, { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1 });
  writeFileSync(join(folder, "good.jsonl"), '{"prompt":"1 + 2 ="}\n{"prompt":"3 + 4 ="}\n');
  writeFileSync(
    join(folder, "run.yaml"),
    `run: {name: bad}
model: {path: model}
data: {train: {path: good.jsonl}}
rollout: {group_size: 2, max_completion_tokens: 2}
rewards: [{name: judge, kind: module, module: reward.mjs, timeout_s: 1}]
optimizer: {learning_rate: 1.0e-3}
train: {steps: 1, prompts_per_step: 2}
`,
  );
  writeFileSync(join(folder, "reward.mjs"), "export default (samples) => samples.map(() => Math.random());\n");
});

/** The run fails with exactly this message, and leaves no run folder behind. */
function fails(code: number, message: string | RegExp, ...set: string[]): void {
  const found = grpo(folder, ["train", "--config", "run.yaml", ...set.flatMap((s) => ["--set", s])]);
  if (typeof message === "string") assert.equal(found.err, message);
  else assert.match(found.err, message);
  assert.equal(found.code, code);
  assert.doesNotMatch(found.err, /\n {4}at /, "no stack");
  assert.equal(existsSync(join(folder, "runs/bad")), false, "a place that was not used stays free");
}

/** A copy of the model folder with a change. */
function damaged(name: string, change: (copy: string) => void): string {
  const copy = join(folder, name);
  cpSync(model, copy, { recursive: true });
  change(copy);
  return `model.path=${name}`;
}

test("the configuration that the mistakes are made in is a good one", () => {
  const { code, err } = grpo(folder, ["train", "--config", "run.yaml", "--set", "run.name=good"]);
  assert.deepEqual([code, err], [0, ""]);
});

test("data that is missing, empty, too long or has no such column exits 4 and says which", () => {
  fails(
    4,
    `nowhere.jsonl: no such file or folder: ${join(folder, "nowhere.jsonl")}\n  check the path\n`,
    "data.train.path=nowhere.jsonl",
  );
  writeFileSync(join(folder, "empty.jsonl"), "");
  fails(
    4,
    "empty.jsonl: the data set is empty\n  give a source with at least one row\n",
    "data.train.path=empty.jsonl",
  );
  fails(
    4,
    "good.jsonl: every prompt is longer than the limit of 3 tokens; the shortest has 4\n  raise data.max_prompt_tokens to at least 4\n",
    "data.max_prompt_tokens=3",
  );
  fails(4, /^good\.jsonl:1: .*"question".*\n {2}name a column of the data/, "data.prompt.column=question");
  writeFileSync(join(folder, "torn.jsonl"), '{"prompt":"1 + 2 ="}\n{"prompt":\n');
  fails(4, /^torn\.jsonl:2: not valid JSON: /, "data.train.path=torn.jsonl");
});

test("a model folder that is missing or incomplete exits 4 and says what is missing", () => {
  fails(
    4,
    `${join(folder, "nomodel")}: no such folder\n  give the path of a model folder; the checkpoints of a run are in its folder \`checkpoints\`\n`,
    "model.path=nomodel",
  );
  fails(
    4,
    /without-tokenizer: tokenizer\.json is missing\n/,
    damaged("without-tokenizer", (copy) => rmSync(join(copy, "tokenizer.json"))),
  );
  fails(
    4,
    /without-weights: there is neither model\.safetensors nor model\.safetensors\.index\.json\n {2}give a Hugging Face/,
    damaged("without-weights", (copy) => rmSync(join(copy, "model.safetensors"))),
  );
  fails(
    4,
    /other-family\/config\.json: model_type is "mamba"\n {2}this version trains model types llama, qwen2, qwen3\n$/,
    damaged("other-family", (copy) =>
      editJson(join(copy, "config.json"), (config) => ({ ...config, model_type: "mamba" })),
    ),
  );
});

test("vocabularies that do not fit exit 4: more ids than rows, and rows that config.json does not have", () => {
  fails(
    4,
    /big-tokenizer: the tokenizer has 18 ids, the model 16 rows \(vocab_size\)\n {2}use the tokenizer the model was trained with\n$/,
    damaged("big-tokenizer", (copy) =>
      editJson(join(copy, "tokenizer.json"), (t) => ({
        ...t,
        model: { ...t.model, vocab: { ...t.model.vocab, more: words.length, words: words.length + 1 } },
      })),
    ),
  );
  fails(
    4,
    /small-rows: tensor "model\.embed_tokens\.weight" has shape \[16,16\], config\.json asks for \[20,16\]\n {2}vocab_size in config\.json and the rows of the weights must be equal\n$/,
    damaged("small-rows", (copy) => editJson(join(copy, "config.json"), (config) => ({ ...config, vocab_size: 20 }))),
  );
});

/** Writes a JSON file anew. */
// biome-ignore lint/suspicious/noExplicitAny: the files have no type of their own
function editJson(path: string, edit: (value: any) => unknown): void {
  writeFileSync(path, JSON.stringify(edit(JSON.parse(readFileSync(path, "utf8")))));
}

test("damaged and hostile weights exit 4 and say what is wrong", () => {
  const weights = (name: string, change: (bytes: Buffer) => Buffer) =>
    damaged(name, (copy) => {
      const file = join(copy, "model.safetensors");
      writeFileSync(file, change(readFileSync(file)));
    });
  const again = /\n {2}the file is damaged or not a safetensors file; fetch it again\n$/.source;
  fails(
    4,
    new RegExp(
      `torn/model\\.safetensors: tensor ".*" has offsets \\[\\d+,\\d+\\], but the data is \\d+ bytes long${again}`,
    ),
    weights("torn", (bytes) => bytes.subarray(0, bytes.length - 100)),
  );
  fails(
    4,
    new RegExp(`huge/model\\.safetensors: the header says it is \\d+ bytes long, the file has \\d+${again}`),
    weights("huge", (bytes) => Buffer.concat([Buffer.alloc(8, 0xff), bytes.subarray(8)])),
  );
});

test("an index that leads outside of its folder, or to a shard without the tensor, exits 4", () => {
  const sharded = (name: string, map: (names: string[]) => Record<string, string>) =>
    damaged(name, (copy) => {
      const bytes = readFileSync(join(copy, "model.safetensors"));
      const names = Object.keys(JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString("utf8")));
      copyFileSync(join(copy, "model.safetensors"), join(copy, "one.safetensors"));
      rmSync(join(copy, "model.safetensors"));
      const weight_map = map(names.filter((n) => n !== "__metadata__"));
      writeFileSync(join(copy, "model.safetensors.index.json"), JSON.stringify({ weight_map }));
    });
  const all = (file: string) => (names: string[]) => Object.fromEntries(names.map((n) => [n, file]));
  fails(
    4,
    /lies in "\.\.\/model\/model\.safetensors"\n {2}a shard is a file of the same folder\n$/,
    sharded("climbing", all("../model/model.safetensors")),
  );
  fails(4, /two\.safetensors: /, sharded("missing-shard", all("two.safetensors")));
  fails(
    4,
    /one\.safetensors does not hold "more"\n/,
    sharded("other-shard", (names) => ({ ...all("one.safetensors")(names), more: "one.safetensors" })),
  );
  const { code, err } = grpo(folder, [
    ..."train --config run.yaml --set run.name=sharded --set".split(" "),
    sharded("sharded", all("one.safetensors")),
  ]);
  assert.deepEqual([code, err], [0, ""]);
});

test("a reward module that is missing, throws, answers wrongly or never answers ends the run and names the sample", () => {
  const module = (name: string, body: string) => {
    mkdirSync(join(folder, "rewards"), { recursive: true });
    writeFileSync(join(folder, "rewards", `${name}.mjs`), `export default (samples) => ${body};\n`);
    return `rewards=[{name: judge, kind: module, module: rewards/${name}.mjs, timeout_s: 1}]`;
  };
  fails(
    4,
    /^reward "judge": there is no file .*rewards\/none\.mjs\n {2}a relative `module` starts from/,
    module("some", "[]").replace("some", "none"),
  );
  fails(
    1,
    /^reward "judge": TypeError: .*\(.*throws\.mjs:1:\d+\); .*sample \d of group \d.*\n {2}mend the module/,
    module("throws", "samples.map(({ completion }) => completion.nope.x)"),
  );
  fails(
    1,
    /^reward "judge": answered 0 values for 2 samples, in the call that starts with sample 0 of group \d .*\n/,
    module("short", "[]"),
  );
  fails(
    1,
    /^reward "judge": the value of sample \d of group \d .* is NaN\n {2}return a finite number, or null/,
    module("nan", "samples.map(() => Number.NaN)"),
  );
  // While other groups still decode and their scores would be asked for later.
  fails(
    1,
    /^reward "judge": Error: short one \(/,
    module("early", '{ if (samples[0].tokens.length < 30) throw Error("short one"); return samples.map(() => 0); }'),
    "rollout.max_completion_tokens=60",
    "train.prompts_per_step=24",
  );
  const began = performance.now();
  fails(
    1,
    /^reward "judge": no answer within 1 s; .*sample \d of group \d.*\n {2}end the loop in the module, or raise `timeout_s`\n$/,
    module("endless", "{ for (const s of samples) { s.completion; for (;;); } }"),
  );
  assert.ok(performance.now() - began < 10_000, "the loop is ended, not waited for");
});
