import { type Complaint, complain, type Written } from "./complaint.js";
import { suggestKey } from "./nearest.js";
import { type ConfigNode, merge, nodeAt, toPlain } from "./node.js";
import { findProblems, misspells } from "./problems.js";
import { configSchema, type Stage, sectionsSchema, stageHeadSchema } from "./schema.js";

/** One stage as written: the sections at the top of the file with the stage's overrides on them. */
export interface Draft extends Written {
  kind: Stage["kind"];
  name: string;
  /** The `kind` and `name` that the stage wrote. */
  head?: ConfigNode;
}

export interface Drafts {
  drafts: Draft[];
  /** Whether there is a `stages` list. */
  staged: boolean;
  /** The sections at the top of the file. */
  top: ConfigNode;
  complaints: Complaint[];
}

/** Cuts the tree of a configuration into its stages; without a `stages` list it is one `grpo` stage. */
export function draftStages(root: ConfigNode): Drafts {
  const complaints: Complaint[] = [];
  const sections = new Map(root.value as Map<string, ConfigNode>);
  const list = sections.get("stages");
  sections.delete("stages");
  const top: ConfigNode = { origin: root.origin, value: sections };
  const whole: Draft = { kind: "grpo", name: "grpo", tree: top };
  if (list === undefined) return { drafts: [whole], staged: false, top, complaints };
  if (!Array.isArray(list.value)) {
    complaints.push(
      complain(
        { path: ["stages"], message: "expected a list of stages, each a mapping with a `kind`" },
        { tree: root },
      ),
    );
    return { drafts: [whole], staged: false, top, complaints };
  }
  const drafts = list.value.flatMap((item, index) => {
    const path = ["stages", index];
    if (!(item.value instanceof Map)) {
      complaints.push(
        complain({ path, message: "expected a mapping with a `kind`, as in {kind: grpo}" }, { tree: root }),
      );
      return [];
    }
    const problems = findProblems(stageHeadSchema, toPlain(item));
    const own = new Map(item.value);
    const head = { origin: item.origin, value: new Map([...own].filter(([key]) => key === "kind" || key === "name")) };
    for (const key of head.value.keys()) own.delete(key);
    for (const key of ["run", "model", "extends", "stages"].filter((k) => own.delete(k))) {
      problems.push({
        path: [key],
        key: true,
        message: "cannot differ between stages; write it at the top of the file",
      });
    }
    for (const key of [...own.keys()].filter((k) => !Object.hasOwn(sectionsSchema.shape, k))) {
      const hint = suggestKey(configSchema, path, key, undefined);
      problems.push({ path: [key], key: true, message: `unknown key; ${hint}` });
      own.delete(key);
    }
    for (const problem of problems.filter((p) => !problems.some((other) => misspells(other, p)))) {
      complaints.push(complain({ ...problem, path: [...path, ...problem.path] }, { tree: root }));
    }
    const kind = stageHeadSchema.shape.kind.safeParse(nodeAt(item, ["kind"])?.value).data ?? "grpo";
    const given = nodeAt(item, ["name"])?.value;
    const name = typeof given === "string" ? given : problems.length > 0 ? String(index) : kind;
    const tree = { origin: item.origin, value: own };
    return [{ kind, name, head, tree: merge(top, tree), own: { tree, path } } satisfies Draft];
  });
  complaints.push(...repeatedNames(drafts, root), ...mixedModels(drafts, root));
  return drafts.length === 0
    ? { drafts: [whole], staged: false, top, complaints }
    : { drafts, staged: true, top, complaints };
}

function repeatedNames(drafts: readonly Draft[], root: ConfigNode): Complaint[] {
  return drafts
    .filter(({ name }, i) => drafts.findIndex((draft) => draft.name === name) < i)
    .map(({ name, own }) =>
      complain(
        { path: [...own!.path, "name"], message: `another stage is called "${name}"; give each its own name` },
        { tree: root },
      ),
    );
}

/** A stage that turns the model into a reward model leaves no policy for stages that need one. */
function mixedModels(drafts: readonly Draft[], root: ConfigNode): Complaint[] {
  const first = drafts.findIndex(({ kind }) => kind === "reward_model");
  const later = first < 0 ? undefined : drafts.slice(first).find(({ kind }) => kind !== "reward_model");
  if (later === undefined) return [];
  const message = `a ${later.kind} stage cannot follow a reward_model stage, which ends with a model that scores; train the reward model in a run of its own and name its checkpoint in a reward of kind reward_model`;
  return [complain({ path: [...later.own!.path, "kind"], message }, { tree: root })];
}
