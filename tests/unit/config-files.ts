import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { type LoadedConfig, loadConfig } from "../../src/config/load.js";
import { ExitCode, GrpoError } from "../../src/errors.js";

const folder = mkdtempSync(join(tmpdir(), "grpo-config-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The least that a configuration must say, in two lines, so that the text of a test starts on line 3. */
export const least = `data: {train: {path: rows.jsonl}}
rewards: [{name: right, kind: exact, answer: "{answer}"}]
`;

/** Writes files into a temporary folder and returns their absolute paths. */
export function writeFiles<Name extends string>(files: Record<Name, string>): Record<Name, string> {
  const paths = {} as Record<Name, string>;
  for (const [name, text] of Object.entries(files) as [Name, string][]) {
    paths[name] = join(folder, name);
    mkdirSync(dirname(paths[name]), { recursive: true });
    writeFileSync(paths[name], text);
  }
  return paths;
}

/** Loads a configuration from its text. */
export function load(text: string, ...set: string[]): LoadedConfig {
  return loadConfig(writeFiles({ "run.yaml": text })["run.yaml"], { set });
}

/** Loads a configuration that must fail and returns the lines of the message, with the temporary folder taken off. */
export function mistakes(text: string, ...set: string[]): string[] {
  return mistakesIn(() => load(text, ...set));
}

/** The lines of the GRPO_CONFIG error that `run` must throw. */
export function mistakesIn(run: () => unknown): string[] {
  let lines: string[] = [];
  assert.throws(run, (error) => {
    assert(error instanceof GrpoError, String(error));
    assert.equal(error.code, "GRPO_CONFIG");
    assert.equal(error.exitCode, ExitCode.config);
    lines = error.message.replaceAll(`${folder}/`, "").split("\n");
    return true;
  });
  return lines;
}
