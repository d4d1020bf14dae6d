import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { rewardsSchema } from "../../src/config/schema/rewards.js";
import { lastAnswer } from "../../src/rewards/qa/last-answer.js";
import { exactMatch, normalizeAnswer } from "../../src/rewards/qa/match-answer.js";
import { qaReward } from "../../src/rewards/qa/qa-reward.js";
import { isSearchTranscript, searchFormatReward } from "../../src/rewards/qa/search-format.js";
import { Bm25Index } from "../../src/rollout/environments/bm25.js";
import { readCorpus } from "../../src/rollout/environments/corpus.js";
import { httpRetriever } from "../../src/rollout/environments/http-retriever.js";
import { searchEnvironment } from "../../src/rollout/environments/search.js";
import { policyTexts } from "../../src/tree/turn.js";
import { sample } from "../golden/adapter.js";

const folder = mkdtempSync(join(tmpdir(), "grpo-corpus-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const qa = (options: object) =>
  qaReward(rewardsSchema.parse([{ name: "em", kind: "qa", answer: "{gold}", ...options }])[0] as never);

test("BM25 of a small collection is the formula's, and ties go to the first document", async () => {
  const index = new Bm25Index(["a b b", "a c", "a c", "d e f g"], 2, { k1: 1.2, b: 0.75 });
  const mean = 11 / 4;
  const idf = Math.log(1 + (4 - 1 + 0.5) / 1.5);
  const [best, ...others] = index.rank("B");
  assert.deepEqual(others, []);
  assert.equal(best!.document, 0);
  assert.ok(Math.abs(best!.score - (idf * 2 * 2.2) / (2 + 1.2 * (0.25 + (0.75 * 3) / mean))) < 1e-12);
  assert.deepEqual(
    index.rank("c").map(({ document }) => document),
    [1, 2],
  );
  assert.deepEqual(await index.search(["a", "nothing", ""]), [["a c", "a c"], [], []]);
});

test("a corpus is a folder of texts, or rows with contents, or with title and text", async () => {
  mkdirSync(join(folder, "texts"));
  writeFileSync(join(folder, "texts", "Two.txt"), "second\nlines\n");
  writeFileSync(join(folder, "texts", "One.txt"), "first");
  assert.deepEqual(await readCorpus(join(folder, "texts")), ['"One"\nfirst', '"Two"\nsecond\nlines']);
  const rows = join(folder, "rows.jsonl");
  writeFileSync(rows, `${JSON.stringify({ contents: '"A"\nb' })}\n${JSON.stringify({ title: "C", text: "d" })}\n`);
  assert.deepEqual(await readCorpus(rows), ['"A"\nb', '"C"\nd']);
  writeFileSync(rows, `${JSON.stringify({ contents: '"A"\nb' })}\n${JSON.stringify({ body: "d" })}\n`);
  await assert.rejects(readCorpus(rows), {
    code: "GRPO_DATA",
    message: `${rows}: document 2 has neither \`contents\` nor \`title\` and \`text\``,
  });
});

test("a retriever behind HTTP is asked once per query, and its failure names the address", async () => {
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      asked.push(JSON.parse(body));
      const scored = [{ document: { id: "1", contents: "x\ny" }, score: 2 }];
      response.end(JSON.stringify({ result: [body.includes("bare") ? [{ id: "2", contents: "z" }] : scored] }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/retrieve`;
  const retriever = httpRetriever(url, 3, 5);
  assert.deepEqual(await retriever.search(["q", "bare", "q"]), [["x\ny"], ["z"], ["x\ny"]]);
  assert.deepEqual(asked[0], { queries: ["q"], topk: 3, return_scores: true });
  assert.equal(asked.length, 2);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(httpRetriever(url, 3, 1).search(["q"]), (error: Error) => error.message.includes(url));
});

test("a search in the last turn is counted but not done", async () => {
  const queries: string[] = [];
  const search = async (asked: readonly string[]) => {
    queries.push(...asked);
    return asked.map(() => ["T\nb", "U\nc"]);
  };
  const [run] = await searchEnvironment({ search }, 1).start(
    { index: 0, prompt: new Int32Array(0), text: "q", record: {} },
    1,
  );
  const found = await run!.step("<search> x </search>", false);
  assert.equal(found.observation, "\n\n<information>Doc 1(Title: T) b</information>\n\n");
  const last = await run!.step("<search>y</search>", true);
  assert.deepEqual(
    [last.observation, last.done, last.valid, last.meta],
    ["", false, true, { query: "y", searched: false }],
  );
  assert.deepEqual(queries, ["x"]);
});

test("articles are whole words of any script, and go after punctuation", () => {
  assert.equal(normalizeAnswer("Éa a l'an, THE a.m."), "éa lan am");
  assert.equal(normalizeAnswer("a\u0301 x\u00a0an\u3000y"), "\u0301 x y");
  assert.ok(exactMatch("The O.J.", ["nobody", "oj"]));
});

test("an answer counts where the policy wrote it, in one run of its own text", () => {
  const turns = [
    { action: "<answer>Lon", observation: "\ninvalid <answer>and</answer>\n" },
    { action: "don</answer>", observation: "" },
    { action: "<answer>Par", observation: "" },
    { action: "is</answer>", observation: "<answer>Rome</answer>" },
  ];
  assert.equal(lastAnswer(policyTexts(turns)), "Paris");
  const seen = { ...sample("", { gold: ["paris", "Lutetia"] }), trace: { turns } };
  assert.equal(qa({})(seen), 1);
  assert.equal(qa({})({ ...seen, record: { gold: "Rome" } }), 0);
  assert.equal(qa({ format_score: 0.1 })({ ...seen, record: { gold: "Rome" } }), 0.1);
  assert.equal(qa({})({ ...seen, record: { gold: null } }), null);
  assert.equal(qa({ match: "substring" })(sample("<answer>in Paris now</answer>", { gold: "paris" })), 1);
});

test("each line of the published table of format scores", () => {
  const scores = { structure: 0.2, final: 0.1, retrieval: 0.05 };
  const table: [boolean | null, boolean, boolean, number][] = [
    [true, true, true, 1],
    [true, true, false, 1],
    [true, false, false, 0.8],
    [false, true, true, 0.25],
    [null, true, true, 0.25],
    [false, true, false, 0.2],
    [null, true, false, 0.2],
    [false, false, false, 0.1],
    [null, false, false, 0],
  ];
  for (const [right, valid, hit, want] of table) assert.equal(searchFormatReward(right, valid, hit, scores), want);
});

test("a transcript is think, then searches with what they found and thoughts, then an answer, and nothing between", () => {
  const round = "<search>q</search>\n\n<information>x</information>\n\n<think>b</think>";
  assert.ok(isSearchTranscript(`<think>a</think>${round}${round}<answer>c</answer>\n`));
  assert.ok(!isSearchTranscript(`<think>a</think>${round}<search>q</search><answer>c</answer>`));
  assert.ok(!isSearchTranscript("<think>a</think>constructor<answer>c</answer>"));
  assert.ok(!isSearchTranscript("<think>a</think><answer>c</answer>."));
  assert.ok(!isSearchTranscript("<think>a<search></think><answer>c</answer>"));
  assert.ok(!isSearchTranscript(""));
});

test("the environment tells the mean seconds of its searches since it was last asked", async () => {
  const slow = { search: async () => new Promise<string[][]>((done) => setTimeout(() => done([["T\nb"]]), 20)) };
  const environment = searchEnvironment(slow, 1);
  assert.deepEqual(environment.metrics!(), {});
  const [run] = await environment.start({ text: "q" } as never, 1);
  await run!.step("<search>a</search>", false);
  await run!.step("<search>b</search>", true);
  const { "time/retrieval_s": seconds } = environment.metrics!();
  assert.ok(seconds! > 0.01 && seconds! < 5, `${seconds}`);
  assert.deepEqual(environment.metrics!(), {});
});

test("a qa reward notes whether what was found holds a right answer, where something was found", () => {
  const notes: [string, number][] = [];
  const note = (what: string, value: number) => notes.push([what, value]);
  const score = qa({});
  score(sample("<information>the Eiffel tower</information><answer>x</answer>", { gold: "Eiffel Tower" }), note);
  score(sample("<information>nothing</information>", { gold: "Eiffel Tower" }), note);
  score(sample("<answer>Eiffel Tower</answer>", { gold: "Eiffel Tower" }), note);
  assert.deepEqual(notes, [
    ["hit", 1],
    ["hit", 0],
  ]);
});
