import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { projectRoot } from "../shared.js";

const main = join(projectRoot, "dist/src/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "grpo-cli-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function grpo(...args: string[]): { code: number | null; out: string; err: string } {
  // The schema is more than the 1 MB that Node.js keeps of an output by itself.
  const options = { cwd: folder, encoding: "utf8", maxBuffer: 2 ** 24 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], options);
  return { code: status, out: stdout, err: stderr };
}

const verbs = ["train", "eval", "elo", "export", "generate", "lists", "recipes", "config", "doctor"];

test("a wrong GRPO_ISA or GRPO_THREADS is named with its way out", () => {
  for (const [name, value, what] of [
    ["GRPO_ISA", "amxx", /^GRPO_ISA must be one of scalar, .*\n {2}unset it/m],
    ["GRPO_THREADS", "two", /^GRPO_THREADS is "two", expected a whole number\n {2}unset it/m],
  ] as const) {
    const env = { ...process.env, [name]: value };
    const config = join(projectRoot, "configs/quickstart/run.yaml");
    const run = spawnSync(process.execPath, [main, "train", "--config", config, "--dry-run"], {
      cwd: folder,
      encoding: "utf8",
      env,
    });
    assert.equal(run.status, 2, run.stderr);
    assert.match(run.stderr, what);
    assert.doesNotMatch(run.stderr, /build:native/);
  }
});

test("--help of every verb exits 0 without loading the kernels", () => {
  for (const verb of [[], ...verbs.map((v) => [v])]) {
    // The addon refuses to load with this, so an answer shows that nothing asked for it.
    const env = { ...process.env, GRPO_ISA: "none" };
    const { status, stdout } = spawnSync(process.execPath, [main, ...verb, "--help"], {
      cwd: folder,
      encoding: "utf8",
      env,
    });
    assert.equal(status, 0);
    assert.match(stdout, new RegExp(`^grpo ${verb[0] ?? "<command>"}`));
  }
});

test("usage mistakes exit 2 with one clear message and no stack", () => {
  const usage = (args: string[], err: string) => assert.deepEqual(grpo(...args), { code: 2, out: "", err });
  usage([], "name a command; `grpo --help` lists them\n");
  usage(["trian"], "Did you mean train?\n");
  usage(["train"], "train needs a configuration\n  give --config FILE\n");
  usage(["train", "--confg", "x"], "Unknown argument: confg\n  did you mean --config?\n");
  usage(["train", "--config", "x", "--set"], "Not enough arguments following: set\n");
  usage(["eval", "--model", "m"], "Missing required argument: benchmark\n");
  usage(
    ["generate", "--model", "m", "--prompt", "p", "--samples", "0"],
    "--samples 0: expected a whole number of at least 1\n",
  );
  usage(
    ["generate", "--model", "m", "--prompt", "p", "--samples", "few"],
    "--samples few: expected a whole number of at least 1\n",
  );
  usage(
    ["generate", "--model", "m", "--prompt", "p", "--top-p", "1.5"],
    "--top-p 1.5: expected a number from 0 to 1\n",
  );
  usage(
    ["train", "--config", "x", "--resume", "--overwrite"],
    "--resume continues a run and --overwrite starts it anew\n  give one of the two\n",
  );
  usage(["recipes"], "name an action: list or show\n");
  usage(["recipes", "shwo"], "Did you mean show?\n");
  usage(
    ["config", "explain", "rollout.grop_size"],
    'no configuration key is called "rollout.grop_size"\n  did you mean "group_size"?\n',
  );
});

test("a configuration with mistakes exits 3, a line per mistake", () => {
  writeFileSync(join(folder, "run.yaml"), "model: {path: m, dtype: int8}\nrollout: {group_size: 1}\n");
  assert.deepEqual(grpo("train", "--config", "run.yaml"), {
    code: 3,
    out: "",
    err: `run.yaml:1:1: data: missing; expected a mapping
run.yaml:1:1: rewards: missing; without a reward every advantage is 0
run.yaml:1:25: model.dtype: Invalid option: expected one of "fp32"|"bf16"
run.yaml:2:23: rollout.group_size: a group needs at least 2 completions, or every advantage is 0
`,
  });
  assert.deepEqual(grpo("train", "--config", "nope.yaml"), { code: 3, out: "", err: "nope.yaml: no such file\n" });
});

test("--resume of a folder that is missing, or no run's, says so and what to do", () => {
  const check = "  give the folder of a run, such as runs/NAME\n";
  const refused = (path: string, err: string) =>
    assert.deepEqual(grpo("train", "--resume", path), { code: 4, out: "", err });
  refused("runs/gone", `there is no run at runs/gone to resume\n${check}`);
  mkdirSync(join(folder, "runs/demo/checkpoints/step-000001"), { recursive: true });
  refused(
    "runs/demo",
    "runs/demo is no run folder: it holds no config.resolved.yaml\n  give the folder of a run, such as runs/NAME, or --config FILE as well\n",
  );
  writeFileSync(join(folder, "runs/demo/config.resolved.yaml"), "");
  refused("runs/gone", `there is no run at runs/gone to resume\n${check}`);
  refused("runs/demos", "there is no run at runs/demos to resume\n  did you mean runs/demo?\n");
  refused(
    "runs/demo/checkpoints/step-000001",
    "runs/demo/checkpoints/step-000001 is no run folder: it holds no config.resolved.yaml\n  did you mean runs/demo?\n",
  );
});

test("--help tells options that take a number from those that take text", () => {
  const { out } = grpo("generate", "--help");
  assert.match(out, /^ +--samples .*\[number\] \[default: 1\]$/m);
  assert.match(out, /^ +--prompt .*\[string\] \[required\]$/m);
});

test("recipes list has a line for each recipe, and show prints its YAML", () => {
  const list = grpo("recipes", "list");
  assert.equal(list.code, 0);
  assert.match(list.out, /^dapo {2,}clip-higher/m);
  const show = grpo("recipes", "show", "dapo");
  assert.equal(show.code, 0);
  // What it is, its metrics with their meaning, how to use it, and the YAML with its comments.
  assert.match(show.out, /^dapo: clip-higher.*\n\n {2}paper +DAPO \(arXiv 2503\.14476\)\n {2}touches +collect/);
  assert.match(show.out, /\n {2}against GRPO +wider upper clip/);
  assert.match(show.out, /\n {2}group\/zero_std +Share of groups whose completions all got the same reward/);
  assert.match(show.out, /\n {2}extends: recipe:dapo\n[\s\S]*\n {4}epsilon_high: 0\.28 # section 3\.1\n/);
  assert.doesNotMatch(show.out, /recipe:\n/);
  assert.deepEqual(grpo("recipes", "show", "dapoo"), {
    code: 3,
    out: "",
    err: 'no recipe is named "dapoo"\n  did you mean "dapo"?\n',
  });
});

test("config schema prints a JSON Schema that parses", () => {
  const { code, out } = grpo("config", "schema");
  assert.equal(code, 0);
  assert.equal((JSON.parse(out) as { title: string }).title, "grpo configuration");
});

test("elo rates names by their matches, whatever order they come in", () => {
  const match = (first: string, second: string, score: number) => JSON.stringify({ first, second, score });
  const lines = [match("a", "b", 1), match("b", "a", 0), match("b", "c", 1), match("a", "c", 0.5)];
  writeFileSync(join(folder, "matches.jsonl"), lines.join("\n"));
  writeFileSync(join(folder, "odd.jsonl"), match("a", "a", 1));
  const { code, out } = grpo("elo", "matches.jsonl");
  assert.equal(code, 0);
  const ratings = out
    .trim()
    .split("\n")
    .map((line) => line.split(/\s+/));
  assert.deepEqual(
    ratings.map(([name]) => name),
    ["a", "b", "c"],
  );
  // What one gains another loses.
  assert.ok(Math.abs(ratings.reduce((sum, [, rating]) => sum + Number(rating), 0) - 4500) < 0.2);
  assert.deepEqual(grpo("elo", "odd.jsonl"), {
    code: 4,
    out: "",
    err: "odd.jsonl:1: is no match\n  give `first` and `second`, two names, and `score` from 0 to 1\n",
  });
});
