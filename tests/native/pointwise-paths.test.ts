import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("./pointwise-digest.js", import.meta.url));

/** The digest on one instruction-set path, or null where the machine lacks it. */
function digest(isa: string): string | null {
  const child = spawnSync(process.execPath, [program], { env: { ...process.env, GRPO_ISA: isa }, encoding: "utf8" });
  if (child.stderr.includes("this machine or this build does not have")) return null;
  assert.equal(child.status, 0, child.stderr);
  return child.stdout.trim();
}

const reference = digest("scalar");
for (const isa of ["avx2", "avx512", "avx512bf16", "amx", "neon"]) {
  const own = digest(isa);
  const skip = own === null && `no ${isa} here`;
  test(`norms, activations and AdamW on ${isa} have the bits of the scalar reference`, { skip }, () => {
    assert.equal(own, reference);
  });
}
