// Brings a checkout to a runnable state: dependencies, native addon, compiled TypeScript. Does only what is missing.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const root = new URL("..", import.meta.url).pathname;

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

if (!existsSync(`${root}node_modules/typescript/package.json`)) {
  run("npm", ["ci", "--no-audit", "--no-fund"]);
} else {
  run("npm", ["run", "--silent", "build"]);
}
