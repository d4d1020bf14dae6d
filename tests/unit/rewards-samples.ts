import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { rewardsSchema } from "../../src/config/schema/rewards.js";
import { createRewards, type RewardSet } from "../../src/rewards/reward-set.js";
import type { RewardSample } from "../../src/rewards/types.js";

/** Samples of one group with the given completions; the token ids are the code points. */
export function samplesOf(completions: string[], more: Partial<RewardSample> = {}): RewardSample[] {
  return completions.map((completion, sample) => ({
    prompt: "p",
    completion,
    messages: [{ role: "user", content: "p" }],
    tokens: Int32Array.from([...completion], (c) => c.codePointAt(0)!),
    finish: "stop",
    record: { answer: "4" },
    trace: {},
    group: 0,
    sample,
    ...more,
  }));
}

export const training = { step: 1, evaluation: false };

/** Rewards over a temporary folder that holds `files`; both are gone when the test ends. */
export async function rewardsIn(
  t: TestContext,
  specs: unknown[],
  files: Record<string, string> = {},
  options: { print?: (text: string) => void; loadTimeoutS?: number } = {},
): Promise<RewardSet> {
  const baseDir = mkdtempSync(join(tmpdir(), "grpo-rewards-"));
  t.after(() => rmSync(baseDir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(baseDir, name), text);
  const set = await createRewards(rewardsSchema.parse(specs), {
    baseDir,
    seed: 17,
    print: () => undefined,
    ...options,
  });
  t.after(() => set.close());
  return set;
}
