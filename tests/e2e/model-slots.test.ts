import assert from "node:assert/strict";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { contentOf, grpo, grpoUntil, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

const folder = scratch();
const brief = ["eval=null", "train={steps: 2, minibatches: 1}", "checkpoint.every=0"];
const teacher = join(folder, "runs/first/checkpoints/step-000002");

before(() => {
  const { code, err } = grpo(folder, tinyArguments(folder, "run.name=first", ...brief));
  assert.deepEqual([code, err], [0, ""]);
});

const distilled = (name: string, slot: string, ...set: string[]) =>
  grpo(
    folder,
    tinyArguments(
      folder,
      `run.name=${name}`,
      ...brief,
      `models.${slot}={kind: path, path: ${teacher}}`,
      `objective={kl: {coefficient: 0}, terms: [{kind: distill, model: ${slot}}]}`,
      ...set,
    ),
  );

test("a term finds its model by the name it gives, whatever the name", () => {
  const { code, err } = distilled("named", "mentor");
  assert.deepEqual([code, err], [0, ""]);
  assert.equal(distilled("called", "teacher").code, 0);
  const [named, called] = ["named", "called"].map((name) => metricsOf(join(folder, "runs", name)));
  assert.deepEqual(
    named!.map((step) => step["distill/distance"]),
    called!.map((step) => step["distill/distance"]),
  );
  assert.notEqual(named![0]!["distill/distance"], 0);
});

test("a teacher that reads other tokens is refused, with the first id that differs", () => {
  const { code, err } = distilled("stranger", "teacher", "model.tokenizer={alphabet: '9876543210+='}");
  assert.equal(code, 4);
  assert.match(
    err.replace(teacher, "TEACHER"),
    /^models\.teacher: TEACHER has another tokenizer: its id \d+ is ".", the policy's ".*"\n {2}use a model of the policy's family, with the same tokenizer\n$/,
  );
});

test("a model with fewer rows than the policy has ids is refused", () => {
  const alphabet = "0123456789+=?abcdefghijklmnopqrstuvwxyz";
  const { code, err } = distilled("small", "teacher", `model.tokenizer={alphabet: '${alphabet}'}`);
  assert.equal(code, 4);
  assert.match(
    err.replace(teacher, "TEACHER"),
    /^models\.teacher: TEACHER has \d+ rows \(vocab_size\), the policy's tokenizer \d+ ids\n {2}use a model/,
  );
});

test("an average of bf16 weights and 8-bit moments survive a kill byte for byte", async () => {
  const args = (name: string) =>
    tinyArguments(
      folder,
      `run.name=${name}`,
      "eval=null",
      "model.dtype=bf16",
      "models={slow: {kind: ema, decay: 0.999, every: 1}}",
      "objective={kl: {coefficient: 0.1, model: slow}}",
      "optimizer={learning_rate: 0.01, moments: int8}",
      "checkpoint={every: 1, keep_last: 10}",
    );
  assert.equal(grpo(folder, args("whole")).code, 0);
  const whole = contentOf(join(folder, "runs/whole"));
  assert.ok(Object.keys(whole).includes("checkpoints/step-000003/trainer/models/slow/extra.safetensors"));
  await grpoUntil(folder, args("killed"), /^grpo 3\//m, (child) => child.kill("SIGKILL"));
  const { code, err } = grpo(folder, [...args("killed"), "--resume"]);
  assert.deepEqual([code, err], [0, ""]);
  assert.deepEqual(contentOf(join(folder, "runs/killed")), whole);
});

test("a resume on other kernels needs --force, says so and goes on", () => {
  const run = join(folder, "runs/moved");
  cpSync(join(folder, "runs/first"), run, { recursive: true });
  const resume = (...more: string[]) =>
    grpo(folder, tinyArguments(folder, "run.name=moved", ...brief, "train.steps=3").concat("--resume", ...more), {
      GRPO_ISA: "scalar",
    });
  const refused = resume();
  assert.equal(refused.code, 3);
  assert.match(
    refused.err,
    /^the run used the \w+ kernels, this machine scalar: results would differ in the last bits\n {2}set GRPO_ISA=\w+, or go on all the same with --resume --force\n$/,
  );
  const forced = resume("--force");
  assert.deepEqual([forced.code, forced.err], [0, ""]);
  assert.match(forced.out, /^resumed with scalar kernels after \w+: from step 3 on, results differ in the last bits$/m);
  assert.ok(readdirSync(join(run, "checkpoints")).includes("step-000003"));
  // What it has become is its own now.
  rmSync(join(run, "checkpoints/step-000002"), { recursive: true });
  assert.equal(resume().code, 0);
});

test("--force without --resume is a mistake", () => {
  const { code, err } = grpo(folder, tinyArguments(folder).concat("--force"));
  assert.equal(code, 2);
  assert.match(err, /^--force goes with --resume: it continues a run on another instruction set\n {2}leave it out\n/);
});
