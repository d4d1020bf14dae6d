import assert from "node:assert/strict";
import { test } from "node:test";
import { type BuildOptions, buildExamples, buildTasks, type PromptTokenizer } from "../../src/data/prompt.js";
import { GrpoError } from "../../src/errors.js";

const bos = 1;
const eos = 2;
const turnEnd = 3;
const unknown = 0;

/** One token per character; `~` is unknown; chat text is `role:content|`. */
const tokenizer: PromptTokenizer = {
  encode(text, { addSpecialTokens = true } = {}) {
    const ids = [...text].map((char) => (char === "~" ? unknown : char.charCodeAt(0)));
    return Int32Array.from(addSpecialTokens ? [bos, ...ids] : ids);
  },
  renderChat(messages, { addGenerationPrompt = false, variables = {} } = {}) {
    if (messages.some((message) => message.role === "tool")) throw new Error("no tools here");
    const turns = messages.map(({ role, content }) => `${role}:${content}|`).join("");
    return turns + (addGenerationPrompt ? `assistant:${variables.opening ?? ""}` : "");
  },
  eosId: eos,
  turnEndId: turnEnd,
  unkId: unknown,
};

function options(prompt: BuildOptions["prompt"], rest: Partial<BuildOptions> = {}): BuildOptions {
  return { tokenizer, prompt, maxPromptTokens: 100, longPrompts: "drop", source: "some/train.jsonl", ...rest };
}

const ids = (text: string) => Array.from(text, (char) => char.charCodeAt(0));

test("a template fills columns, nested values and braces, and the tokenizer adds its bos to plain text", () => {
  const record = { q: "2+2", n: 3, meta: { tags: ["x"] } };
  const { tasks } = buildTasks([record], options({ template: "{{{q}}} n={n} {meta.tags.0} {meta}" }));
  assert.equal(tasks[0]!.text, '{2+2} n=3 x {"tags":["x"]}');
  assert.deepEqual(Array.from(tasks[0]!.prompt), [bos, ...ids(tasks[0]!.text)]);
  assert.equal(tasks[0]!.record, record);
});

test("chat prompts go through the chat template with the system message and get no bos of the tokenizer", () => {
  const { tasks } = buildTasks([{ q: "hi" }], options({ template: "{q}?", system: "be brief", chat: true }));
  assert.equal(tasks[0]!.text, "system:be brief|user:hi?|assistant:");
  assert.deepEqual(Array.from(tasks[0]!.prompt), ids(tasks[0]!.text));
  const variables = { column: "q", chat: true, chat_variables: { opening: "ok" } };
  assert.equal(buildTasks([{ q: "hi" }], options(variables)).tasks[0]!.text, "user:hi|assistant:ok");
});

test("a column of messages is a chat, and its own system message wins", () => {
  const messages = [
    { role: "system", content: "own" },
    { role: "user", content: "hi" },
  ];
  const { tasks } = buildTasks([{ prompt: messages }], options({ column: "prompt", system: "other" }));
  assert.equal(tasks[0]!.text, "system:own|user:hi|assistant:");
});

test("long prompts are dropped and counted, and tasks keep the row number of the data", () => {
  const records = ["aaaa", "b", "cc"].map((q) => ({ q }));
  const { tasks, summary } = buildTasks(records, options({ template: "{q}" }, { maxPromptTokens: 3 }));
  assert.deepEqual(
    tasks.map((task) => task.index),
    [1, 2],
  );
  assert.deepEqual(summary, {
    rows: 3,
    kept: 2,
    dropped: 1,
    minTokens: 2,
    meanTokens: 2.5,
    maxTokens: 3,
    text: "train.jsonl: 2 prompts of 2 to 3 tokens, mean 2.5; 1 dropped (longer than 3 tokens)",
  });
});

function refuses(records: Record<string, unknown>[], build: BuildOptions, message: string, exitCode = 4): void {
  assert.throws(
    () => buildTasks(records, build),
    (error) => {
      assert.ok(error instanceof GrpoError);
      assert.equal(error.message, message);
      assert.equal(error.exitCode, exitCode);
      assert.ok(error.fix);
      return true;
    },
  );
}

test("rows that give no prompt are refused with their place", () => {
  const q = options({ template: "{q}" });
  refuses([{ q: "a" }, { z: 1, y: 2 }], q, 'train.jsonl:2: column "q" is not there; columns are: z, y');
  refuses([{ q: null }], q, 'train.jsonl:1: column "q" is not there; columns are: q');
  refuses([], q, "train.jsonl: the data set is empty");
  refuses(
    [{ prompt: 7 }],
    options({ column: "prompt" }),
    'train.jsonl:1: column "prompt" is neither text nor a list of chat messages',
  );
  refuses([{ q: "a~" }], q, 'train.jsonl:1: the prompt "a~" holds characters that the tokenizer does not know');
  refuses(
    [{ q: "" }],
    options({ template: "{q}" }, { tokenizer: { ...tokenizer, encode: () => new Int32Array(0) } }),
    "train.jsonl:1: the prompt is empty",
  );
  const tool = { prompt: [{ role: "tool", content: "x" }] };
  refuses(
    [tool],
    options({ column: "prompt" }),
    "train.jsonl:1: the chat template refuses the messages: no tools here",
  );
  refuses([tool], options({ column: "prompt", chat: false }), "train.jsonl:1: chat messages, but chat is false");
  refuses(
    [{ q: "a" }],
    options({ template: "{q" }),
    'data.prompt.template: a "{" that names no column in the template; write "{{" for a brace',
    3,
  );
});

test("only prompts longer than the limit are an error that names the limit to set", () => {
  const build = options({ template: "{q}" }, { maxPromptTokens: 2 });
  refuses(
    [{ q: "aaaa" }, { q: "bbb" }],
    build,
    "train.jsonl: every prompt is longer than the limit of 2 tokens; the shortest has 4",
  );
  const strict = options({ template: "{q}" }, { maxPromptTokens: 2, longPrompts: "error" });
  refuses([{ q: "a" }, { q: "bbb" }], strict, "train.jsonl:2: the prompt has 4 tokens, the limit is 2");
});

test("examples are prompt, completion and the end token; of chat, the end of the turn", () => {
  const plain = buildExamples([{ q: "1+1=", a: 2 }], { ...options({ template: "{q}" }), completion: "{a}" });
  assert.deepEqual(plain.examples, [
    { index: 0, tokens: Int32Array.from([bos, ...ids("1+1=2"), eos]), promptLength: 5 },
  ]);
  const chat = buildExamples([{ q: "x", a: "y" }], { ...options({ template: "{q}", chat: true }), completion: "{a}" });
  const prompt = "user:x|assistant:";
  assert.deepEqual(Array.from(chat.examples[0]!.tokens), [...ids(`${prompt}y`), turnEnd]);
  assert.equal(chat.examples[0]!.promptLength, prompt.length);
});
