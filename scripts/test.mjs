// Runs the compiled tests with node:test. `node scripts/test.mjs rms-norm` runs the files whose path holds that word;
// `--folder native` restricts to one folder of tests/.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const root = new URL("..", import.meta.url).pathname;
const { values, positionals } = parseArgs({ allowPositionals: true, options: { folder: { type: "string" } } });

const base = join(root, "dist/tests", values.folder ?? "");
const files = readdirSync(base, { recursive: true })
  .map((name) => join(base, String(name)))
  .filter((path) => path.endsWith(".test.js") && positionals.every((word) => path.slice(base.length).includes(word)))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${positionals.join(" ")}`);
  process.exit(2);
}
const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-concurrency=2", ...files], {
  cwd: root,
  stdio: "inherit",
});
process.exit(run.status ?? 1);
