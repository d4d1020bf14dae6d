import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after } from "node:test";
import { projectRoot } from "./shared.js";

/** The command-line program of this checkout. */
export const program = join(projectRoot, "dist/src/cli/main.js");

/** What a finished program said. */
export interface Finished {
  code: number | null;
  out: string;
  err: string;
}

/** A temporary folder that is removed after the tests of the file. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "grpo-e2e-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Runs `grpo ARGS` in a folder to its end.
 *
 * @param prefix program and arguments that start it, for limits
 */
export function grpo(
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
  prefix: readonly string[] = [],
): Finished {
  const [first, ...rest] = [...prefix, process.execPath, program, ...args];
  const { status, stdout, stderr } = spawnSync(first!, rest, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ...env },
    timeout: 120_000,
  });
  return { code: status, out: stdout, err: stderr };
}

/** Runs `grpo ARGS` and calls `act` once its output holds a match of `pattern`. */
export function grpoUntil(
  cwd: string,
  args: readonly string[],
  pattern: RegExp,
  act: (child: ChildProcess) => void,
): Promise<Finished> {
  const child = spawn(process.execPath, [program, ...args], { cwd });
  const result: Finished = { code: null, out: "", err: "" };
  let acted = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    result.out += text;
    if (!acted && pattern.test(result.out)) {
      acted = true;
      act(child);
    }
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    result.err += text;
  });
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ ...result, code }));
  });
}

/** The records of a run's metrics file. */
export function metricsOf(run: string): Record<string, number | string | null>[] {
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

/** Everything of a run that must not depend on the machine's mood: all files' bytes, times and memory aside. */
export function contentOf(run: string): Record<string, unknown> {
  const content: Record<string, unknown> = {
    metrics: metricsOf(run).map((row) =>
      Object.fromEntries(Object.entries(row).filter(([key]) => !/^(time|memory)\/|^tokens\/s$/.test(key))),
    ),
  };
  for (const folder of ["rollouts", "checkpoints"]) {
    for (const file of filesBelow(join(run, folder))) {
      const bytes = readFileSync(file);
      // The state names the configuration, in which a resumed run may differ (run.threads, micro-batches).
      const { config: _, ...state } = file.endsWith("state.json") ? JSON.parse(bytes.toString("utf8")) : {};
      content[relative(run, file)] = file.endsWith("state.json") ? state : bytes.toString("base64");
    }
  }
  return content;
}

/** Paths of all files below a folder, sorted. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile())
    .sort();
}
