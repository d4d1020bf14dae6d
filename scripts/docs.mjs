// Writes the pages of docs/ that are made from the program itself: keys.md (schema), methods.md (recipes), metrics.md.
// `node scripts/docs.mjs` after a build.
import { readFileSync, writeFileSync } from "node:fs";
import { jsonSchema } from "../dist/src/config/explain.js";
import { readRecipe, recipeNames } from "../dist/src/config/recipes.js";
import { methodFamilies, methodMetrics } from "../dist/src/report/method-metrics.js";
import { metricFamilies, metricMeanings, quantileMeanings } from "../dist/src/report/metric-meaning.js";

const made = "Made by `node scripts/docs.mjs`; edit the source, not this page.\n";
const cell = (text) => String(text).replaceAll("|", "\\|").replaceAll("\n", " ");
const row = (...cells) => `| ${cells.map(cell).join(" | ")} |`;
const table = (head, rows) => [row(...head), row(...head.map(() => "---")), ...rows].join("\n");
const write = (name, text) => writeFileSync(new URL(`../docs/${name}`, import.meta.url), `${text.trimEnd()}\n`);

// A node of the schema without the layers that only carry a default or null.
const alternatives = (node) => (node.anyOf ?? node.oneOf ?? [node]).filter(({ type }) => type !== "null");
const tags = ["kind", "rope_type"];
const tagOf = (node) => tags.find((name) => node.properties?.[name] !== undefined);
const values = (node) => node.enum ?? (node.const === undefined ? [] : [node.const]);

function typeOf(node) {
  const names = (node.anyOf ?? node.oneOf ?? [node]).map((one) => {
    if (values(one).length > 0)
      return values(one)
        .map((value) => JSON.stringify(value))
        .join(", ");
    if (one.type === "array") return `list of ${typeOf(one.items)}`;
    if (one.type === "object") return "mapping";
    return { integer: "whole number", string: "text", boolean: "true, false" }[one.type] ?? one.type ?? "any";
  });
  return [...new Set(names)].join(" or ");
}

function defaultOf(node) {
  if (node.default === undefined) return "";
  const text = JSON.stringify(node.default);
  return text === "{}" ? "" : `\`${text}\``;
}

/** Rows of a mapping's keys; mappings inside follow their key. Of alternatives, what several share is listed once. */
function keyRows(node, path) {
  const isList = alternatives(node).some(({ type }) => type === "array");
  const here = isList ? `${path}[]` : path;
  const branches = alternatives(node)
    .flatMap((one) => (one.type === "array" ? alternatives(one.items) : alternatives(one)))
    .filter((branch) => branch.properties !== undefined);
  const tag = branches.length === 0 ? undefined : tagOf(branches[0]);
  const kindOf = (branch) => values(branch.properties[tag] ?? {}).join(", ");
  const fields = new Map();
  for (const branch of branches) {
    for (const [name, field] of Object.entries(branch.properties)) {
      const key = `${name} ${JSON.stringify(field)}`;
      if (name !== tag) fields.set(key, { name, field, kinds: [...(fields.get(key)?.kinds ?? []), kindOf(branch)] });
    }
  }
  const kinds = branches.map((branch) =>
    row(`\`${here}\` (${kindOf(branch)})`, "", defaultOf(branch.properties[tag] ?? {}), branch.description ?? ""),
  );
  const keys = [...fields.values()].flatMap(({ name, field, kinds: of }) => {
    const which = of.length === branches.length ? "" : ` (${of.join(", ")})`;
    const own = row(`\`${here}.${name}\`${which}`, typeOf(field), defaultOf(field), field.description ?? "");
    return [own, ...keyRows(field, `${here}.${name}`)];
  });
  return [...(tag === undefined ? [] : kinds), ...keys];
}

const { properties } = jsonSchema();
const sections = Object.entries(properties).filter(([name]) => name !== "stages");
write(
  "keys.md",
  `# Configuration keys

${made}
Every key with its type, default and reason; \`grpo config explain KEY\` prints the same. An item of \`stages\` has \`kind\`
(${values(properties.stages.items.properties.kind).join(", ")}), an optional \`name\`, and any of the sections below as overrides. A name in brackets after a key is the \`kind\` it
belongs to.

${sections
  .map(([name, node]) => {
    const keys = keyRows(node, name);
    const body = keys.length === 0 ? "" : `\n\n${table(["key", "type", "default", "meaning"], keys)}`;
    return `## \`${name}\`\n\n${node.description ?? ""}${body}`;
  })
  .join("\n\n")}
`,
);

// The core that every method shares, and the lines of a file.
const core = [
  "advantage/group",
  "objective/policy-objective",
  "objective/clip",
  "objective/aggregation",
  "objective/kl-loss",
];
const sized = (path) =>
  `\`${path}\` (${readFileSync(new URL(`../${path}`, import.meta.url), "utf8").split("\n").length - 1} lines)`;

// What was measured is no product of this program: the section stays as it is.
const effects =
  /^## Effects\n.*/ms.exec(readFileSync(new URL("../docs/methods.md", import.meta.url), "utf8"))?.[0] ?? "";
write(
  "methods.md",
  `# Methods

${made}
\`grpo recipes show NAME\` prints a recipe; \`extends: recipe:NAME\` in a configuration uses it, and what the configuration itself
says wins. Where an author's code or published numbers exist, \`npm run conformance\` checks the method against them
(\`tests/golden/vectors\`). "files" are what a method adds to the core of GRPO, which is
${core.map((name) => sized(`src/algorithms/${name}.ts`)).join(",\n")}. What the methods change when they train is measured at the end, under Effects.

${recipeNames()
  .map((name) => {
    const { info } = readRecipe(name);
    const metrics =
      info.metrics.length === 0 ? "" : `\n- watch: ${info.metrics.map((metric) => `\`${metric}\``).join(", ")}`;
    const files = info.files.length === 0 ? "none of its own" : info.files.map(sized).join(", ");
    return `## ${name}\n\n${info.summary}\n\n- source: ${info.paper}\n- changes: ${info.changes}\n- use when: ${info.use_when}${metrics}\n- files: ${files}`;
  })
  .join("\n\n")}

${effects}`,
);

/** The names under which TRL and verl log the same thing; another definition is said. */
const elsewhere = {
  "reward/mean": ["reward", "critic/score/mean"],
  "reward/std": ["reward_std", ""],
  loss: ["loss", "actor/pg_loss"],
  "kl/mean": ["kl", "actor/kl_loss"],
  "kl/old": ["", "actor/ppo_kl"],
  "entropy/mean": ["entropy", "actor/entropy"],
  "ratio/clip_low": ["clip_ratio/low_mean", ""],
  "ratio/clip_high": ["clip_ratio/high_mean", ""],
  "ratio/clip_region": ["clip_ratio/region_mean", "actor/pg_clipfrac"],
  "ratio/clip_low_min": ["clip_ratio/low_min", ""],
  "ratio/clip_high_max": ["clip_ratio/high_max", ""],
  grad_norm: ["grad_norm", "actor/grad_norm"],
  learning_rate: ["learning_rate", "actor/lr"],
  "length/mean": ["completions/mean_length", "response_length/mean"],
  "length/min": ["completions/min_length", "response_length/min"],
  "length/max": ["completions/max_length", "response_length/max"],
  "length/terminated_mean": ["completions/mean_terminated_length", ""],
  "length/truncated": ["completions/clipped_ratio", "response_length/clip_ratio"],
  "group/zero_std": ["frac_reward_zero_std", ""],
  "mismatch/logprob_max_abs": [
    "sampling/sampling_logp_difference/max",
    "training/rollout_probs_diff_max (of probabilities)",
  ],
  "time/step_s": ["step_time", "timing_s/step"],
  "time/rollout_s": ["", "timing_s/gen"],
  "time/reward_s": ["", "timing_s/reward"],
  "time/update_s": ["", "timing_s/update_actor"],
};
/** One row for each family of names; where a name has a part that varies, the meaning speaks of the example that stands for it. */
const familyRows = (families) =>
  families.map(({ pattern, name, meaning }) => row(`\`${name}\``, meaning(pattern.exec(name)?.[1] ?? "")));
write(
  "metrics.md",
  `# Metrics

${made}
One JSON object per step in \`metrics.jsonl\`; the same names in TensorBoard, the report and the terminal view.

${table(
  ["metric", "meaning", "TRL", "verl"],
  Object.entries(metricMeanings).map(([name, meaning]) =>
    row(`\`${name}\``, meaning, ...(elsewhere[name] ?? ["", ""]).map((alias) => alias.replace(/^[\w/]+/, "`$&`"))),
  ),
)}

Names with a part that the run decides:

${table(["metric", "meaning"], familyRows(metricFamilies))}

## Metrics of methods

A method logs these when its part is in the configuration; \`grpo recipes show NAME\` tells which.

${table(
  ["metric", "meaning"],
  [
    ...Object.entries(methodMetrics).map(([name, meaning]) => row(`\`${name}\``, meaning)),
    ...Object.entries(quantileMeanings).map(([name, what]) =>
      row(`\`${name}/p05\`, \`p25\`, \`p50\`, \`p75\`, \`p95\``, `Quantiles of ${what}`),
    ),
    ...familyRows(methodFamilies),
  ],
)}
`,
);
