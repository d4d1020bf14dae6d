// Who may import whom. Reads every import in src/ and prints those that the table does not allow.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const below = ["rollout", "algorithms", "rewards", "data", "tokenizer", "model", "engine", "eval", "export", "report"];
/** Folder of src/ -> what its files may import besides their own folder, errors.ts, tree/ and types of config/. */
const allowed = {
  cli: ["pipeline", "config"],
  pipeline: [...below, "config"],
  rollout: ["model", "engine", "algorithms", "rewards", "data", "tokenizer"],
  eval: ["rollout", "model", "algorithms", "rewards", "data", "tokenizer"],
  export: ["model", "tokenizer", "engine"],
  model: ["engine"],
  engine: ["native"],
  algorithms: ["engine/ops/segment-ratio.ts"],
};

const src = fileURLToPath(new URL("../src/", import.meta.url));
const files = readdirSync(src, { recursive: true })
  .map(String)
  .filter((file) => file.endsWith(".ts"));
const statement = /^\s*(?:import|export)\s+(type\s)?([^"';]*?)\bfrom\s+"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/gm;
const offenders = [];
for (const file of files) {
  const from = file.split("/")[0];
  for (const [, type, names, path, dynamic] of readFileSync(join(src, file), "utf8").matchAll(statement)) {
    const target = relative(src, resolve(dirname(join(src, file)), path ?? dynamic)).replace(/\.js$/, ".ts");
    const to = target.split("/")[0];
    const onlyTypes =
      type !== undefined ||
      names
        ?.trim()
        .replace(/^\{|\}$/g, "")
        .split(",")
        .every((n) => /^\s*(type\s|$)/.test(n));
    const free = to === from || to === "errors.ts" || to === "tree" || (to === "config" && onlyTypes);
    if (!free && !(allowed[from] ?? []).some((rule) => rule === to || rule === target)) {
      offenders.push(`src/${file}: ${from} may not import ${to === "engine" ? target : to}`);
    }
  }
}
for (const line of offenders) console.error(line);
if (offenders.length > 0) process.exit(1);
console.log(`imports of ${files.length} files follow the table`);
