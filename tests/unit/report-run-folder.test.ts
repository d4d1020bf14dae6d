import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { publishDir, writeAtomic } from "../../src/report/atomic.js";
import { diskError } from "../../src/report/disk-error.js";
import { MetricsLog, readMetrics } from "../../src/report/metrics.js";
import {
  cutRunFolder,
  latestCheckpoint,
  listCheckpoints,
  openRunFolder,
  pruneCheckpoints,
  stepName,
} from "../../src/report/run-folder.js";

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "grpo-report-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("a run folder that is there is refused, resumed, or moved to NAME.old-N", (t) => {
  const run = join(temporaryFolder(t), "runs", "demo");
  assert.throws(() => openRunFolder(run, "resume"), { message: `there is no run at ${run} to resume`, exitCode: 4 });
  const folder = openRunFolder(run, "refuse");
  assert.deepEqual(readdirSync(run).sort(), ["checkpoints", "rollouts"]);
  writeFileSync(folder.metrics, "first\n");
  assert.throws(() => openRunFolder(run, "refuse"), {
    message: `the run folder ${run} is there already`,
    exitCode: 3,
    fix: "continue it with --resume, move it aside with --overwrite, or choose another `run.name`",
  });
  openRunFolder(run, "resume");
  assert.equal(readFileSync(folder.metrics, "utf8"), "first\n");
  openRunFolder(run, "overwrite");
  assert.equal(existsSync(folder.metrics), false);
  assert.equal(readFileSync(`${run}.old-1/metrics.jsonl`, "utf8"), "first\n");
  openRunFolder(run, "overwrite");
  assert.ok(existsSync(`${run}.old-2`));
});

test("an empty folder of the run's name is taken as it is", (t) => {
  const run = join(temporaryFolder(t), "empty");
  mkdirSync(run);
  openRunFolder(run, "refuse");
});

test("a place that cannot hold a run folder is an error of the disk with exit code 4", (t) => {
  const base = temporaryFolder(t);
  writeFileSync(join(base, "file"), "");
  const run = join(base, "file", "demo");
  assert.throws(() => openRunFolder(run, "refuse"), {
    message: `cannot write ${run}: a part of the path is a file, not a folder`,
    exitCode: 4,
    code: "GRPO_DISK",
  });
});

test("full, read-only and forbidden disks are told in words; other errors pass untouched", () => {
  const failure = (code: string) => diskError("/r/metrics.jsonl", Object.assign(new Error(code), { code })) as Error;
  assert.equal(failure("ENOSPC").message, "cannot write /r/metrics.jsonl: the disk is full");
  assert.equal(failure("EROFS").message, "cannot write /r/metrics.jsonl: the file system is read-only");
  assert.equal(failure("EACCES").message, "cannot write /r/metrics.jsonl: permission denied");
  assert.equal(failure("EWEIRD").message, "EWEIRD");
  const bug = new TypeError("x");
  assert.equal(diskError("/r", bug), bug);
});

test("a full disk while metrics are written is told", {
  skip: existsSync("/dev/full") ? false : "no /dev/full",
}, () => {
  const log = new MetricsLog("/dev/full");
  assert.throws(() => log.append({ step: 1 }), { message: "cannot write /dev/full: the disk is full", exitCode: 4 });
  log.close();
});

test("writeAtomic replaces a file and leaves nothing beside it", (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "state.json");
  writeAtomic(path, "one");
  writeAtomic(path, new TextEncoder().encode("two"));
  assert.equal(readFileSync(path, "utf8"), "two");
  assert.deepEqual(readdirSync(folder), ["state.json"]);
  assert.throws(() => writeAtomic(join(folder, "none", "x"), ""), { exitCode: 4 });
});

test("publishDir makes a folder appear whole and replaces one that is there", (t) => {
  const base = temporaryFolder(t);
  const final = join(base, "step-000001");
  for (const text of ["old", "new"]) {
    mkdirSync(join(base, "tmp", "trainer"), { recursive: true });
    writeFileSync(join(base, "tmp", "trainer", "state"), text);
    publishDir(join(base, "tmp"), final);
  }
  assert.equal(readFileSync(join(final, "trainer", "state"), "utf8"), "new");
  assert.deepEqual(readdirSync(base), ["step-000001"]);
});

test("the last complete checkpoint is found, old ones are pruned, a cut removes what came later", (t) => {
  const run = openRunFolder(join(temporaryFolder(t), "demo"), "refuse");
  assert.equal(latestCheckpoint(run.path), null);
  for (const name of [2, 10, 4, 1000000].map(stepName)) mkdirSync(join(run.checkpoints, name));
  mkdirSync(join(run.checkpoints, "step-000012.tmp-77"));
  writeFileSync(join(run.rollouts, "step-000004.arrow"), "");
  writeFileSync(join(run.rollouts, "step-000011.arrow"), "");
  assert.deepEqual(
    listCheckpoints(run.path).map(({ step }) => step),
    [2, 4, 10, 1000000],
  );
  cutRunFolder(run.path, 10);
  assert.deepEqual(readdirSync(run.rollouts), ["step-000004.arrow"]);
  assert.deepEqual(readdirSync(run.checkpoints).sort(), ["step-000002", "step-000004", "step-000010"]);
  pruneCheckpoints(run.path, 1, [2]);
  assert.deepEqual(
    listCheckpoints(run.path).map(({ step }) => step),
    [2, 10],
  );
  assert.equal(latestCheckpoint(run.path)?.path, join(run.checkpoints, "step-000010"));
});

test("metrics are one JSON line per step, null for what is not a number, and can be cut back", (t) => {
  const path = join(temporaryFolder(t), "metrics.jsonl");
  const log = new MetricsLog(path);
  for (let step = 1; step <= 3; step++) log.append({ step, stage: "grpo", loss: step === 2 ? Number.NaN : 0.1 * step });
  writeFileSync(path, '{"step":4,"lo', { flag: "a" });
  assert.deepEqual(
    readMetrics(path).map(({ loss }) => loss),
    [0.1, null, 0.1 * 3],
  );
  log.cut(2);
  log.append({ step: 3, loss: 1, unknown: undefined });
  log.close();
  assert.equal(
    readFileSync(path, "utf8"),
    '{"step":1,"stage":"grpo","loss":0.1}\n{"step":2,"stage":"grpo","loss":null}\n{"step":3,"loss":1}\n',
  );
  assert.deepEqual(readMetrics(join(path, "..", "none.jsonl")), []);
});
