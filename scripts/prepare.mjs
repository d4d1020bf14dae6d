// npm runs this after an install from a checkout: compiles the TypeScript when the compiler is there.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const tsc = new URL("../node_modules/typescript/bin/tsc", import.meta.url);
if (existsSync(tsc)) {
  const run = spawnSync(process.execPath, [tsc.pathname, "-p", "."], { stdio: "inherit" });
  process.exitCode = run.status ?? 1;
} else {
  console.log("grpo: typescript is not installed, so src/ was not compiled; run `npm install` with dev dependencies");
}
