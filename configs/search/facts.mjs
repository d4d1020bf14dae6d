// Writes made-up facts into a folder (this one unless another is named), the same at every run:
//   corpus.jsonl       300 documents, "dea" -> 7
//   noise.jsonl        the same titles with other values: a retriever that is no help
//   warm-start.jsonl   4,000 examples of the form on names and values of their own; one in two searches, the others guess
//   train.jsonl, test.jsonl   200 and 100 questions, "dea?" -> 7
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = process.argv[2] ?? fileURLToPath(new URL(".", import.meta.url));
let state = 1;
const random = (n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
const newName = () => Array.from({ length: 3 }, () => "abcdefghij"[random(10)]).join("");
const newFact = (name) => ({ name, value: String(random(10)) });
const names = new Set();
while (names.size < 300) names.add(newName());
const facts = [...names].map(newFact);
const noise = [...names].map(newFact);
const examples = Array.from({ length: 4000 }, (_, i) => {
  const { name, value } = newFact(newName());
  const found = `\n\n<information>Doc 1(Title: ${name}) ${value}</information>\n\n`;
  const answer = `<answer>${value}</answer>`;
  return { prompt: `${name}?`, completion: i % 2 === 0 ? `<search>${name}</search>${found}${answer}` : answer };
});
const documents = (list) => list.map(({ name, value }) => ({ contents: `${name}\n${value}` }));
const questions = facts.map(({ name, value }) => ({ prompt: `${name}?`, answer: value }));
for (const [file, rows] of Object.entries({
  corpus: documents(facts),
  noise: documents(noise),
  "warm-start": examples,
  train: questions.slice(0, 200),
  test: questions.slice(200),
})) {
  writeFileSync(join(folder, `${file}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}
