import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Adapter, Data, Op } from "./adapter.js";
import { firstDifference, writtenDigits } from "./compare.js";

/** What a handler of a kind of file reports. */
export interface Outcome {
  passed: number;
  failed: number;
  /** One line per failure. */
  messages: string[];
  /** Lines worth saying about cases that passed. */
  notes?: string[];
}

interface VectorFile {
  system: string;
  cases: { name: string; op: string; inputs: Data; params?: Data; outputs: Data; tolerance: number }[];
}

const adaptersFolder = new URL("./adapters/", import.meta.url);

/** The operations of a vector file: of the adapter with its `system`, or with its file name. */
async function operations(file: string, system: string): Promise<Record<string, Op>> {
  const slug = basename(file, ".json").replace(/^_/, "");
  for (const name of readdirSync(adaptersFolder).filter((entry) => entry.endsWith(".js"))) {
    const adapter = (await import(new URL(name, adaptersFolder).href)) as Adapter;
    if (adapter.system === system || name === `${slug}.js`) return adapter.ops;
  }
  return {};
}

/** Runs every case of a vector file (`cases[].op`) through the product. An operation without an adapter fails. */
export async function runVectorFile(file: string): Promise<Outcome> {
  const { system, cases } = JSON.parse(readFileSync(file, "utf8")) as VectorFile;
  const ops = await operations(file, system);
  const digits = writtenDigits(cases.map(({ outputs }) => outputs));
  const messages: string[] = [];
  const notes: string[] = [];
  for (const { name, op, inputs, params, outputs, tolerance } of cases) {
    const place = `${op}: ${name}`;
    const run = ops[op];
    if (run === undefined) {
      messages.push(`${place}: unknown operation`);
      continue;
    }
    try {
      const seen: string[] = [];
      const shared = cases.find((other) => other.name === inputs.same_inputs_as);
      const difference = firstDifference(
        await run(shared?.inputs ?? inputs, params ?? {}),
        outputs,
        { tolerance, digits },
        seen,
      );
      notes.push(...seen.map((note) => `${place}: not compared: ${note}`));
      if (difference !== null) messages.push(`${place}: ${describe(difference)}`);
    } catch (error) {
      messages.push(`${place}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { passed: cases.length - messages.length, failed: messages.length, messages, notes };
}

function describe({ path, got, want }: { path: string; got: unknown; want: unknown }): string {
  return `${path} is ${shorten(got)}, expected ${shorten(want)}`;
}

function shorten(value: unknown): string {
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
