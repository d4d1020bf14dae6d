import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { GrpoError } from "../../src/errors.js";
import { writeCharacterTokenizer } from "../../src/tokenizer/character.js";
import { textDecoder } from "../../src/tokenizer/text-decoder.js";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";
import { runTokenizerCases } from "../golden/tokenizer.js";
import { projectRoot, sharedPath } from "../shared.js";

const base = mkdtempSync(join(tmpdir(), "grpo-tokenizer-"));
after(() => rmSync(base, { recursive: true }));
const fresh = () => mkdtempSync(join(base, "t-"));
const absent = "no shared data";

const qwen2 = sharedPath("data/tokenizers/qwen2");
const stories = sharedPath("data/models/stories260k");

test("qwen2 gives the ids and texts of Hugging Face tokenizers", { skip: qwen2 ? false : absent }, () => {
  const result = runTokenizerCases(join(qwen2!, "cases.json"));
  assert.deepEqual(result, { passed: 103, failed: 0, messages: [] });
});

test("stories260k gives the ids and texts of Hugging Face tokenizers", { skip: stories ? false : absent }, () => {
  const result = runTokenizerCases(join(stories!, "tokenizer_cases.json"));
  assert.deepEqual(result, { passed: 6, failed: 0, messages: [] });
});

const golden = join(projectRoot, "tests/golden/vectors/tokenizers");
for (const name of ["gpt2", "llama3", "digits", "llama2", "unigram", "bert", "word_level"]) {
  test(`a tokenizer of the form ${name} gives the ids and texts of Hugging Face tokenizers, and streams them`, () => {
    const result = runTokenizerCases(join(golden, name, "cases.json"));
    assert.deepEqual(result, { passed: 82, failed: 0, messages: [] });
    const tokenizer = loadTokenizer(join(golden, name));
    const { cases } = JSON.parse(readFileSync(join(golden, name, "cases.json"), "utf8"));
    for (const { ids, decoded } of cases as { ids: number[]; decoded: string }[]) {
      const stream = textDecoder(tokenizer);
      for (const id of ids) stream.push(id);
      assert.equal(stream.text, decoded);
    }
  });
}

test("qwen2 knows its size, its end tokens and its chat template", { skip: qwen2 ? false : absent }, () => {
  const tokenizer = loadTokenizer(qwen2!);
  assert.equal(tokenizer.size, 151657);
  assert.deepEqual(
    [tokenizer.eosId, tokenizer.padId, tokenizer.bosId, tokenizer.turnEndId],
    [151645, 151643, null, 151645],
  );
  assert.equal(
    tokenizer.renderChat([{ role: "user", content: "hi" }], { addGenerationPrompt: true }),
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
  );
});

test("a stream says the decoded text token by token and never half a character", {
  skip: stories ? false : absent,
}, () => {
  for (const directory of [stories!, qwen2!]) {
    const tokenizer = loadTokenizer(directory);
    for (const text of ["Once  upon 🙂 é\n x", "  lead", "日本語 🇩🇪 ok", "a\ufffdb", ""]) {
      const stream = textDecoder(tokenizer);
      for (const id of tokenizer.encode(text)) {
        const before = stream.text;
        const now = stream.push(id);
        assert.ok(now.startsWith(before) && text.startsWith(now), JSON.stringify([text, now]));
      }
      assert.equal(stream.text, text);
    }
  }
});

test("bytes that form no character are given out after a while, as the whole text has them", {
  skip: qwen2 ? false : absent,
}, () => {
  const tokenizer = loadTokenizer(qwen2!);
  const half = tokenizer.encode("🙂")[0]!;
  const ids = [...new Array<number>(20).fill(half), ...tokenizer.encode(" end")];
  const stream = textDecoder(tokenizer);
  for (const id of ids) stream.push(id);
  assert.equal(stream.text, tokenizer.decode(ids));
});

test("byte tokens that form no character become one replacement character each", {
  skip: stories ? false : absent,
}, () => {
  const tokenizer = loadTokenizer(stories!);
  const byte = (value: number) => 3 + value;
  assert.equal(tokenizer.token(byte(0xe2)), "<0xE2>");
  assert.equal(
    tokenizer.decode([...tokenizer.encode("the"), byte(0xe2), byte(0x82), byte(0x41)]),
    "the\ufffd\ufffd\ufffd",
  );
  assert.equal(tokenizer.decode([...tokenizer.encode("the"), byte(0xe2), byte(0x82), byte(0xac)]), "the\u20ac");
});

test("a character tokenizer has one id per character and says what it does not know", () => {
  const directory = fresh();
  assert.equal(writeCharacterTokenizer(directory, "0123456789+=0"), 15);
  const tokenizer = loadTokenizer(directory);
  assert.deepEqual([tokenizer.size, tokenizer.padId, tokenizer.eosId, tokenizer.unkId], [15, 0, 1, 2]);
  assert.deepEqual(tokenizer.endTokenIds, [1]);
  const ids = tokenizer.encode("12+7=19");
  assert.deepEqual(Array.from(ids), [4, 5, 13, 10, 14, 4, 12]);
  assert.equal(tokenizer.decode([...ids, 1, 0]), "12+7=19");
  assert.equal(tokenizer.decode([4, 1], { skipSpecialTokens: false }), "1<eos>");
  assert.deepEqual(Array.from(tokenizer.encode("1x2")), [4, 2, 5]);
  assert.throws(() => writeCharacterTokenizer(directory, ""), /the alphabet of the character tokenizer is empty/);
});

test("every end token of the model's files ends a completion", () => {
  const directory = fresh();
  writeCharacterTokenizer(directory, "abc");
  writeFileSync(join(directory, "generation_config.json"), '{"eos_token_id": [5, 3]}');
  writeFileSync(join(directory, "config.json"), '{"eos_token_id": 4}');
  assert.deepEqual(loadTokenizer(directory).endTokenIds, [1, 3, 4, 5]);
});

test("the end of an assistant's turn is found from the template, and the template's own file wins", () => {
  const directory = fresh();
  writeCharacterTokenizer(directory, "grpo tunedqsi:ab");
  const path = join(directory, "tokenizer.json");
  const definition = JSON.parse(readFileSync(path, "utf8"));
  const size = Object.keys(definition.model.vocab).length;
  definition.added_tokens.push({ ...definition.added_tokens[0], id: size, content: "<end>" });
  writeFileSync(path, JSON.stringify(definition));
  const config = JSON.parse(readFileSync(join(directory, "tokenizer_config.json"), "utf8"));
  config.chat_template = [
    { name: "tool_use", template: "tool" },
    { name: "default", template: "{% for m in messages %}{{ m.role }}:{{ m.content }}<end>{% endfor %}" },
  ];
  writeFileSync(join(directory, "tokenizer_config.json"), JSON.stringify(config));
  const listed = loadTokenizer(directory);
  assert.equal(listed.turnEndId, size);
  assert.deepEqual(listed.endTokenIds, [1, size]);
  writeFileSync(join(directory, "chat_template.jinja"), "{{ bos_token or '' }}{{ messages[0].content }}");
  const filed = loadTokenizer(directory);
  assert.equal(filed.renderChat([{ role: "user", content: "a" }]), "a");
  assert.equal(filed.turnEndId, null);
});

test("saving copies the tokenizer's files byte for byte", () => {
  const [from, to] = [fresh(), fresh()];
  writeCharacterTokenizer(from, "ab");
  writeFileSync(join(from, "chat_template.jinja"), "x");
  writeFileSync(join(from, "config.json"), "{}");
  loadTokenizer(from).save(to);
  assert.deepEqual(readdirSync(to).sort(), ["chat_template.jinja", "tokenizer.json", "tokenizer_config.json"]);
  for (const name of readdirSync(to)) assert.deepEqual(readFileSync(join(to, name)), readFileSync(join(from, name)));
});

test("a word-level vocabulary maps whole words and sends others to its unknown token", () => {
  const directory = fresh();
  const definition = {
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: null,
    decoder: null,
    model: { type: "WordLevel", vocab: { "[UNK]": 0, to: 1, be: 2 }, unk_token: "[UNK]" },
  };
  writeFileSync(join(directory, "tokenizer.json"), JSON.stringify(definition));
  const tokenizer = loadTokenizer(directory);
  assert.deepEqual(Array.from(tokenizer.encode("to be or be")), [1, 2, 0, 2]);
  assert.equal(tokenizer.decode([1, 2]), "to be");
  assert.deepEqual([tokenizer.unkId, tokenizer.size], [0, 3]);
});

function refuses(directory: string, message: string | RegExp): void {
  assert.throws(
    () => loadTokenizer(directory),
    (error) => {
      assert.ok(error instanceof GrpoError && error.exitCode === 4 && error.fix !== undefined);
      if (typeof message === "string") assert.equal(error.message, message);
      else assert.match(error.message, message);
      return true;
    },
  );
}

test("a model folder without tokenizer, or with a damaged one, is refused by the file's name", () => {
  const directory = fresh();
  refuses(directory, `${directory}: tokenizer.json is missing`);
  writeFileSync(join(directory, "tokenizer.json"), '{"model":');
  refuses(directory, /tokenizer\.json: not valid JSON/);
  writeFileSync(join(directory, "tokenizer.json"), "{}");
  refuses(directory, `${join(directory, "tokenizer.json")}: not a tokenizer`);
  writeCharacterTokenizer(directory, "a");
  writeFileSync(join(directory, "chat_template.jinja"), "{% if %}");
  refuses(directory, /the chat template does not parse/);
});

test("a model without chat template says so when one is asked for", () => {
  const directory = fresh();
  writeCharacterTokenizer(directory, "a");
  const tokenizer = loadTokenizer(directory);
  assert.equal(tokenizer.hasChatTemplate, false);
  assert.throws(() => tokenizer.renderChat([{ role: "user", content: "a" }]), /the model has no chat template/);
});
