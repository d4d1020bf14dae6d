import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { longestPath } from "../../src/pipeline/longest-path.js";
import { writeCharacterTokenizer } from "../../src/tokenizer/character.js";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";
import { least, load } from "./config-files.js";

const folder = mkdtempSync(join(tmpdir(), "grpo-longest-"));
after(() => rmSync(folder, { recursive: true, force: true }));
writeCharacterTokenizer(folder, "abcdefghijklmnopqrstuvwxyz</>.");
const tokenizer = loadTokenizer(folder);

const longest = (rollout: string, limit = 10_000, rest = "") => {
  const data = least.replace("}}", "}, max_prompt_tokens: 100}");
  return longestPath(load(`model: {path: m}\n${data}rollout: ${rollout}\n${rest}`).config, tokenizer, limit);
};

test("the longest path is a prompt and the longest completion of training or evaluation, within the model's limit", () => {
  assert.equal(longest("{max_completion_tokens: 30}"), 130);
  assert.equal(longest("{max_completion_tokens: 30}", 120), 120);
  assert.equal(
    longest("{max_completion_tokens: 30}", 500, "eval: {data: {path: t}, max_completion_tokens: 70}\n"),
    170,
  );
});

test("an early exit's path holds the thought, the forced text and its answer", () => {
  const serial = "{kind: serial_group, inducer: stop.</think>, answer_max_tokens: 8}";
  assert.equal(longest(`{max_completion_tokens: 30, strategy: ${serial}}`), 100 + 30 + "stop.</think>".length + 8);
});

test("prompts that the rollout makes are counted: those with a hint, and those of single steps", () => {
  const hint = "{kind: difficulty_hint, guide: show.answer, prompt: hint}";
  assert.equal(longest(`{max_completion_tokens: 30, strategy: ${hint}}`), 100 + "show.answer".length + 30 + 30);
  const prompts = "{template: now.here, history: 2, history_item: abc}";
  const environment = `{kind: grid_world, max_turn_tokens: 4, max_observation_tokens: 9, step_prompts: ${prompts}}`;
  const added = "now.here".length + 9 + 2 * (9 + 4 + 3);
  assert.equal(longest(`{max_completion_tokens: 30, environment: ${environment}}`), 100 + added + 30);
});
