import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { contentOf, grpo, grpoUntil, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

// Two stages, an average of past weights as the reference, state in every part: what a resume has to carry on.
const staged = [
  "checkpoint={every: 2, keep_last: 10}",
  "objective={kl: {coefficient: 0.05, model: average}}",
  "models={average: {kind: ema, decay: 0.5, every: 1}}",
  "optimizer={learning_rate: 0.01, schedule: {kind: cosine, warmup_steps: 2}}",
  "stages=[{kind: sft, train: {steps: 3}}, {kind: grpo, train: {steps: 6, updates_per_rollout: 2}}]",
];
const folder = scratch();
const whole = join(folder, "runs/whole");
const args = (name: string, ...set: string[]) => tinyArguments(folder, `run.name=${name}`, ...staged, ...set);

before(() => {
  const { code, err, out } = grpo(folder, args("whole"));
  assert.deepEqual([code, err], [0, ""], out);
  assert.deepEqual(readdirSync(join(whole, "checkpoints")).length, 5);
});

/** A resumed run ends as the uninterrupted one. */
function assertResumes(name: string, ...set: string[]): void {
  const { code, err, out } = grpo(folder, [...args(name, ...set), "--resume"]);
  assert.deepEqual([code, err], [0, ""], out);
  assert.deepEqual(contentOf(join(folder, "runs", name)), contentOf(whole));
}

for (const [what, pattern] of Object.entries({
  "before its first checkpoint": /^sft 1\//m,
  "inside the first stage": /^sft 2\//m,
  "at the end of the first stage": /^sft 3\//m,
  "at the start of the second stage": /^grpo 4\//m,
  "after a step without a checkpoint": /^grpo 6\//m,
  "after a step with one": /^grpo 7\//m,
  "after the last step": /^grpo 9\//m,
})) {
  test(`a run killed ${what} and resumed is the uninterrupted run, byte for byte`, async () => {
    const name = what.replaceAll(" ", "-");
    await grpoUntil(folder, args(name), pattern, (child) => child.kill("SIGKILL"));
    assertResumes(name);
  });
}

test("what a crash leaves half written is cut away by the resume", () => {
  const run = join(folder, "runs/crashed");
  cpSync(whole, run, { recursive: true });
  // As if the machine had stopped while the checkpoint of step 7 was written.
  for (const step of ["7", "9"]) rmSync(join(run, `checkpoints/step-00000${step}`), { recursive: true });
  const half = join(run, "checkpoints/.step-000007.tmp");
  mkdirSync(half);
  writeFileSync(join(half, "model.safetensors"), "half");
  appendFileSync(join(run, "metrics.jsonl"), '{"step":10,"sta');
  assertResumes("crashed");
  assert.equal(existsSync(half), false);
});

test("threads, micro-batches and checkpointing may change in a resume and change nothing", async () => {
  await grpoUntil(folder, args("freely"), /^grpo 5\//m, (child) => child.kill("SIGKILL"));
  assertResumes(
    "freely",
    "run.threads=1",
    "train.max_tokens_per_microbatch=20",
    "train.activation_checkpointing=layer",
  );
});

test("Ctrl-C saves, exits 130, and the resumed run is the uninterrupted one", async () => {
  const long = (name: string, steps: number) =>
    tinyArguments(folder, `run.name=${name}`, `train.steps=${steps}`, "checkpoint.every=0", "eval=null");
  const stop = (child: ChildProcess) => void child.kill("SIGINT");
  const { code, out, err } = await grpoUntil(folder, long("stopped", 5000), /^grpo 3\//m, stop);
  assert.equal(code, 130, out);
  const step = Number(
    /interrupted after step (\d+); the run is saved\n {2}continue it with --resume\n$/.exec(err)?.[1],
  );
  assert.ok(step >= 3 && step < 5000, err);
  const run = join(folder, "runs/stopped");
  assert.deepEqual(readdirSync(join(run, "checkpoints")), [`step-${String(step).padStart(6, "0")}`]);
  assert.equal(metricsOf(run).at(-1)!.step, step);
  assert.ok(existsSync(join(run, "report.html")));
  assert.equal(grpo(folder, [...long("stopped", step + 2), "--resume"]).code, 0);
  assert.equal(grpo(folder, long("unstopped", step + 2)).code, 0);
  const last = `checkpoints/step-${String(step + 2).padStart(6, "0")}/`;
  const { metrics, ...files } = contentOf(run);
  const want = contentOf(join(folder, "runs/unstopped"));
  assert.deepEqual(metrics, want.metrics);
  for (const [file, bytes] of Object.entries(want))
    if (file.startsWith(last)) assert.deepEqual(files[file], bytes, file);
});

test("Ctrl-C before the first step exits 130, and the resume begins there", async () => {
  const stop = (child: ChildProcess) => void child.kill("SIGINT");
  const { code, err } = await grpoUntil(folder, args("early", "eval.samples=500"), /^sft: evaluation/m, stop);
  assert.equal(code, 130);
  assert.match(err, /interrupted after step 0; nothing was trained yet\n {2}continue it with --resume\n$/);
  const { code: resumed, err: said } = grpo(folder, [...args("early", "eval.samples=1"), "--resume"]);
  assert.deepEqual([resumed, said], [0, ""]);
});

test("a resume with the kernels of another instruction set is refused without --force", () => {
  const used = /^# kernels: (\w+)/.exec(readFileSync(join(whole, "config.resolved.yaml"), "utf8"))![1];
  const other = used === "scalar" ? "avx2" : "scalar";
  const { code, err } = grpo(folder, [...args("whole"), "--resume"], { GRPO_ISA: other });
  assert.equal(code, 3);
  assert.match(err, new RegExp(`^the run used the ${used} kernels, this machine ${other}: results would differ`));
});

test("a resume refuses keys that would change the past, and names them", () => {
  const changed = grpo(folder, [...args("whole", "rollout.temperature=0.5", "run.seed=8"), "--resume"]);
  assert.equal(changed.code, 3);
  assert.match(
    changed.err,
    /^.*step-000009: the configuration differs in keys that would change the past: run\.seed, stages\.0\.rollout\.temperature, stages\.1\.rollout\.temperature\n {2}resume with the same values, or start a new run from the checkpoint with model\.path\n$/,
  );
});

test("--resume RUN needs no configuration, and --resume without a run exits 4", () => {
  const before = contentOf(whole);
  const { code, err } = grpo(folder, ["train", "--resume", "runs/whole"]);
  assert.deepEqual([code, err], [0, ""]);
  assert.deepEqual(contentOf(whole), before);
  assert.deepEqual(grpo(folder, [...args("gone"), "--resume"]), {
    code: 4,
    out: "",
    err: `there is no run at ${join(folder, "runs/gone")} to resume
  check \`run.out_dir\` and \`run.name\`, or start the run without --resume
`,
  });
});

test("a run goes on beyond its end when it is given more steps", () => {
  const short = tinyArguments(folder, "run.name=longer", "train.steps=4");
  assert.equal(grpo(folder, short).code, 0);
  const { code } = grpo(folder, [...tinyArguments(folder, "run.name=longer"), "--resume"]);
  assert.equal(code, 0);
  assert.equal(grpo(folder, tinyArguments(folder, "run.name=once")).code, 0);
  const [longer, once] = ["longer", "once"].map((name) => join(folder, "runs", name));
  const weights = (run: string) => readFileSync(join(run, "checkpoints/step-000006/model.safetensors"));
  assert.deepEqual(weights(longer!), weights(once!));
});

test("a run whose disk refuses ends with exit 4 and leaves nothing half written", () => {
  const shell = `ulimit -f 30; exec "$0" "$@"`;
  const result = grpo(folder, args("full"), {}, ["bash", "-c", shell]);
  assert.equal(result.code, 4, result.err);
  const run = join(folder, "runs/full");
  assert.equal(
    result.err,
    `cannot write ${join(run, "checkpoints/step-000002")}: the file would be larger than the limit
  raise the limit with \`ulimit -f\`
`,
  );
  assert.deepEqual(readdirSync(join(run, "checkpoints")), []);
  assert.deepEqual(
    readdirSync(run).filter((name) => name.includes("tmp")),
    [],
  );
  assert.equal(metricsOf(run).at(-1)!.step, 2);
});
