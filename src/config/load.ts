import { resolve } from "node:path";
import { globalRegistry } from "zod";
import { type Complaint, complain, sortComplaints } from "./complaint.js";
import { configError, readLayers } from "./layers.js";
import { type ConfigNode, leaves, type Origin, type Path, toPlain } from "./node.js";
import { covers, findProblems } from "./problems.js";
import { checkRules, type Readable } from "./rules.js";
import { type Config, type Sections, type Stage, sectionsSchema } from "./schema.js";
import { type Draft, draftStages } from "./stages.js";
import { Unused } from "./unused.js";
import { layersOf, schemasAt } from "./walk.js";

/** A configuration as it will run, and where each of its values was written. */
export interface LoadedConfig {
  /** The file, as the user named it. */
  file: string;
  config: Config;
  /** Whether the file has a `stages` list; without one the sections at the top are the only stage. */
  staged: boolean;
  /** `FILE:LINE`, `recipe:NAME:LINE` or `--set` by dotted path; a value that is not here has its default. */
  origins: ReadonlyMap<string, string>;
}

/**
 * Reads a configuration: layers, schema, rules between keys.
 * @param file path of the YAML file
 * @param set assignments `a.b=c`, the value in YAML, that win over the file
 * @throws GrpoError GRPO_CONFIG that holds every mistake, a line each: `file:line:column: key: what, and the way out`
 */
export function loadConfig(file: string, { set = [] }: { set?: readonly string[] } = {}): LoadedConfig {
  const { drafts, staged, top, complaints } = draftStages(readLayers(file, set));
  const unused = new Unused();
  const parsed = drafts.map((draft) => {
    const { sections, whole } = readSections(draft, complaints);
    unused.look(draft, sections);
    return whole;
  });
  unused.lookBelow(drafts, top);
  complaints.push(...unused.complaints());
  if (complaints.length > 0) throw configError(sortComplaints(complaints));
  const stages = (parsed as Sections[]).map(({ run: _run, model: _model, ...sections }, i): Stage => {
    const { kind, name } = drafts[i]!;
    return { kind, name, ...sections };
  });
  const { run, model } = parsed[0] as Sections;
  const absolute = { ...run, out_dir: resolve(run.out_dir) };
  return { file, config: { run: absolute, model, stages }, staged, origins: originsOf(drafts, staged) };
}

/** Schema, then rules, over one stage; mistakes are added to `complaints`, and what can be read is returned. */
function readSections(draft: Draft, complaints: Complaint[]): { sections: Readable; whole: Sections | null } {
  const plain = toPlain(absolutePaths(draft.tree)) as Record<string, unknown>;
  const problems = findProblems(sectionsSchema, plain);
  const sections: Readable = { kind: draft.kind };
  for (const [name, schema] of Object.entries(sectionsSchema.shape)) {
    const result = schema.safeParse(plain[name]);
    if (result.success) Object.assign(sections, { [name]: result.data });
  }
  problems.push(...checkRules(sections).filter(({ path }) => !problems.some((known) => covers(known.path, path))));
  for (const problem of problems) complaints.push(complain(problem, draft));
  const { kind: _kind, ...whole } = sections;
  return { sections, whole: problems.length === 0 ? (whole as Sections) : null };
}

/** The tree with every path made absolute: relative to the file that holds it, in `--set` to the working directory. */
function absolutePaths(node: ConfigNode, root: unknown = toPlain(node), path: Path = []): ConfigNode {
  const { value, origin } = node;
  if (value instanceof Map) {
    const entries = [...value].map(([key, child]) => [key, absolutePaths(child, root, [...path, key])] as const);
    return { origin, value: new Map(entries) };
  }
  if (Array.isArray(value)) {
    return { origin, value: value.map((child, index) => absolutePaths(child, root, [...path, index])) };
  }
  if (typeof value !== "string" || value === "") return node;
  const isPath = schemasAt(sectionsSchema, path, root)
    .flatMap(layersOf)
    .some((schema) => globalRegistry.get(schema)?.path === true);
  return isPath ? { origin, value: resolve(origin.base, value) } : node;
}

/** Where each written value stands, by its dotted path in the resolved configuration. */
function originsOf(drafts: readonly Draft[], staged: boolean): Map<string, string> {
  const origins = new Map<string, string>();
  const note = (path: Path, { source, value }: Origin) =>
    origins.set(path.join("."), value === undefined ? source : `${source}:${value.line}`);
  for (const [i, { tree, head }] of drafts.entries()) {
    for (const { path, node } of leaves(tree)) {
      const global = path[0] === "run" || path[0] === "model";
      note(staged && !global ? ["stages", i, ...path] : path, node.origin);
    }
    for (const { path, node } of head === undefined ? [] : leaves(head)) note(["stages", i, ...path], node.origin);
  }
  return origins;
}
