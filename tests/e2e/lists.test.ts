import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeCharacterTokenizer } from "../../src/tokenizer/character.js";
import { grpo, scratch } from "../program.js";
import { projectRoot } from "../shared.js";

const folder = scratch();

test("grpo lists writes rows that an sft stage can teach", () => {
  cpSync(join(projectRoot, "tests/golden/vectors/encoders/bert"), join(folder, "encoder"), { recursive: true });
  writeCharacterTokenizer(join(folder, "encoder"), "ABHeat() 19");
  const catalog = [
    ["Heat", 1999],
    ["Bat", 1991, "a bat"],
    ["Tea", 1919],
  ];
  writeFileSync(join(folder, "catalog.json"), JSON.stringify(catalog));
  const row = { prompt: "a Bat", teacher: [["Bat", 1991]], groundtruth_with_release_year: [["Heat", 1999]] };
  writeFileSync(join(folder, "talks.jsonl"), [row, row].map((one) => `${JSON.stringify(one)}\n`).join(""));
  const files = ["--catalog", "catalog.json", "--encoder", "encoder", "--out", "sft.jsonl"];
  const { code, out, err } = grpo(folder, ["lists", "talks.jsonl", ...files, "--items", "2"]);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^sft\.jsonl: 2 rows/);
  const rows = readFileSync(join(folder, "sft.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    rows.map(({ completion }) => completion.split("\n").length),
    [2, 2],
  );
  assert.deepEqual(rows[0].teacher, row.teacher);
});
