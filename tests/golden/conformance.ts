/**
 * npm run conformance -- [--tokenizer DIR] PATH...
 *
 * Runs reference data through the product: vector files (`cases[].op`), tokenizer cases (`cases[].ids`), math-equivalence
 * cases (`cases[].gold`), model folders (with reference.json), and folders of such files. One line per file; exit 1 when a
 * case failed, 2 for a wrong call.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Outcome, runVectorFile } from "./vector-file.js";

const SHOWN_FAILURES = 5;

/** Runs one file, or one model folder, with the handler of its kind. */
async function runTarget(path: string, tokenizer: string | undefined): Promise<Outcome> {
  if (statSync(path).isDirectory()) return handle("./model.js", "runModelFolder", path);
  const first = firstCase(path);
  if (first === null) return failure("this file holds no cases");
  if ("op" in first) return runVectorFile(path);
  if ("ids" in first) return handle("./tokenizer.js", "runTokenizerCases", path, tokenizer);
  if ("gold" in first) return handle("./math.js", "runMathCases", path);
  return failure(`no handler knows cases with the keys ${Object.keys(first).join(", ")}`);
}

/** Calls a handler that is imported only when a file needs it. */
async function handle(module: string, name: string, ...args: (string | undefined)[]): Promise<Outcome> {
  const url = new URL(module, import.meta.url);
  if (!existsSync(url)) return failure(`this build has no handler for it (${module})`);
  const handler = ((await import(url.href)) as Record<string, (...args: (string | undefined)[]) => Outcome>)[name]!;
  try {
    return await handler(...args);
  } catch (error) {
    return failure(error instanceof Error ? error.message : String(error));
  }
}

function failure(message: string): Outcome {
  return { passed: 0, failed: 1, messages: [message] };
}

/** First case of a JSON file, or null when it holds none. */
function firstCase(file: string): object | null {
  try {
    const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases?: object[] };
    return Array.isArray(cases) ? (cases[0] ?? null) : null;
  } catch {
    return null;
  }
}

/** Files and model folders behind a path. */
function targets(path: string): string[] {
  if (!statSync(path).isDirectory() || existsSync(join(path, "reference.json"))) return [path];
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) return targets(inner);
      return entry.name.endsWith(".json") && firstCase(inner) !== null ? [inner] : [];
    });
}

async function main(): Promise<number> {
  const usage = "usage: npm run conformance -- [--tokenizer DIR] PATH...";
  let paths: string[];
  let tokenizer: string | undefined;
  try {
    const parsed = parseArgs({ allowPositionals: true, options: { tokenizer: { type: "string" } } });
    paths = parsed.positionals;
    tokenizer = parsed.values.tokenizer;
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    return 2;
  }
  const missing = paths.find((path) => !existsSync(path));
  if (paths.length === 0 || missing !== undefined) {
    console.error(missing === undefined ? usage : `no such file or folder: ${missing}\n${usage}`);
    return 2;
  }
  let passed = 0;
  let failed = 0;
  for (const target of paths.flatMap(targets)) {
    const outcome = await runTarget(target, tokenizer);
    console.log(`${target}: ${outcome.passed} passed, ${outcome.failed} failed`);
    for (const message of outcome.messages.slice(0, SHOWN_FAILURES)) console.log(`  ${message}`);
    if (outcome.messages.length > SHOWN_FAILURES) {
      console.log(`  ... and ${outcome.messages.length - SHOWN_FAILURES} more`);
    }
    for (const note of outcome.notes ?? []) console.log(`  ${note}`);
    passed += outcome.passed;
    failed += outcome.failed;
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
