import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isMap, LineCounter, parseDocument, type Node as YamlNode } from "yaml";
import { ExitCode, GrpoError } from "../errors.js";
import { type ConfigNode, fromYaml, merge } from "./node.js";
import { recipePath } from "./recipes.js";

/** Thrown text of every mistake in a configuration: one line each. */
export function configError(lines: readonly string[], fix?: string): GrpoError {
  return new GrpoError("GRPO_CONFIG", lines.join("\n"), { exitCode: ExitCode.config, ...(fix && { fix }) });
}

/**
 * All layers of a configuration as one tree: what the file extends, the file, then `--set`.
 * Throws GRPO_CONFIG for a file that is missing or no YAML mapping, GRPO_USAGE for a malformed `--set`.
 */
export function readLayers(file: string, set: readonly string[]): ConfigNode {
  const layers: ConfigNode[] = [];
  readFile(file, file, layers, []);
  for (const assignment of set) layers.push(readAssignment(assignment, layers.length));
  return layers.reduce((under, over) => merge(under, over));
}

/** Reads what `path` extends, then `path` itself, onto the end of `layers`. */
function readFile(path: string, source: string, layers: ConfigNode[], chain: readonly string[]): void {
  const absolute = resolve(path);
  if (chain.includes(absolute)) throw configError([`${source}: extends itself: ${[...chain, absolute].join(" -> ")}`]);
  const { document, lines } = parseYaml(readText(path, source), source);
  if (!isMap(document.contents)) {
    throw configError([`${source}:1:1: a configuration is a mapping of sections, such as \`model:\` and \`data:\``]);
  }
  const base = dirname(absolute);
  const resolveAlias = (alias: YamlNode) => (alias as unknown as { resolve(d: unknown): YamlNode }).resolve(document);
  const read = (layer: number) => fromYaml(document.contents, { layer, source, base }, lines, resolveAlias);
  const extended = (read(0).value as Map<string, ConfigNode>).get("extends");
  for (const node of extended === undefined ? [] : Array.isArray(extended.value) ? extended.value : [extended]) {
    const place = `${source}:${node.origin.value?.line}:${node.origin.value?.column}: extends`;
    if (typeof node.value !== "string") throw configError([`${place}: expected recipe:NAME or the path of a file`]);
    try {
      if (node.value.startsWith("recipe:")) {
        readFile(recipePath(node.value.slice("recipe:".length)), node.value, layers, [...chain, absolute]);
      } else {
        const target = resolve(base, node.value);
        readFile(target, source === path ? node.value : target, layers, [...chain, absolute]);
      }
    } catch (cause) {
      if (!(cause instanceof GrpoError) || cause.code === "GRPO_CONFIG") throw cause;
      throw configError([`${place}: ${cause.message}${cause.fix === undefined ? "" : `; ${cause.fix}`}`]);
    }
  }
  const node = read(layers.length);
  const sections = node.value as Map<string, ConfigNode>;
  sections.delete("extends");
  if (source.startsWith("recipe:")) sections.delete("recipe");
  layers.push(node);
}

function readText(path: string, source: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const what =
      code === "ENOENT" ? "no such file" : code === "EISDIR" ? "is a folder, not a file" : `cannot be read: ${code}`;
    throw configError([`${source}: ${what}`]);
  }
}

function parseYaml(text: string, source: string) {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw configError(
      document.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        return `${source}:${line}:${col}: ${error.message}`;
      }),
    );
  }
  try {
    document.toJS();
  } catch (cause) {
    throw configError([`${source}:1:1: ${(cause as Error).message}`]);
  }
  return { document, lines };
}

/** `a.b=c` as a tree of mappings; the value is YAML, and relative paths in it are relative to the working directory. */
function readAssignment(assignment: string, layer: number): ConfigNode {
  const split = assignment.indexOf("=");
  const keys = assignment.slice(0, Math.max(0, split)).split(".");
  if (split < 1 || keys.some((key) => key === "")) {
    throw new GrpoError("GRPO_USAGE", `--set ${assignment}: expected KEY=VALUE, as in --set train.steps=20`, {
      exitCode: ExitCode.usage,
    });
  }
  const source = "--set";
  const { document } = parseYaml(assignment.slice(split + 1), `${source} ${keys.join(".")}`);
  const origin = { layer, source, base: process.cwd() };
  const leaf = fromYaml(document.contents, origin, null, () => undefined);
  return keys.reduceRight<ConfigNode>((child, key) => ({ origin, value: new Map([[key, child]]) }), leaf);
}
