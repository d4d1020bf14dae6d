// Module hooks for Node versions that cannot run TypeScript: the types of a .ts file are blanked out as it is loaded,
// with the parser that newer Node versions use themselves.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { transformSync } from "@swc/wasm-typescript";

interface Loaded {
  format: string;
  source: string | ArrayBuffer | Uint8Array;
  shortCircuit?: boolean;
}

/** The `load` hook of node:module for .ts, .mts and .cts files. */
export async function load(
  url: string,
  context: object,
  next: (url: string, context: object) => Promise<Loaded>,
): Promise<Loaded> {
  if (!/^file:.*\.[mc]?ts$/.test(url)) return next(url, context);
  const source = await readFile(new URL(url), "utf8");
  try {
    const { code } = transformSync(source, { mode: "strip-only", filename: fileURLToPath(url) });
    return { format: url.endsWith(".cts") ? "commonjs" : "module", source: code, shortCircuit: true };
  } catch (cause) {
    const { message, startLine, startColumn } = cause as { message?: string; startLine?: number; startColumn?: number };
    const error = new SyntaxError(message ?? String(cause));
    error.stack = `SyntaxError: ${error.message}\n    at ${url}:${startLine}:${startColumn}`;
    throw error;
  }
}
