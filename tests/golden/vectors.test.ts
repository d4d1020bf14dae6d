import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { projectRoot } from "../shared.js";
import { runVectorFile } from "./vector-file.js";

const folder = join(projectRoot, "tests/golden/vectors");

for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".json"))) {
  test(`every case of ${name} passes through the product`, async () => {
    const { passed, messages } = await runVectorFile(join(folder, name));
    assert.deepEqual(messages, []);
    assert.ok(passed > 0);
  });
}
