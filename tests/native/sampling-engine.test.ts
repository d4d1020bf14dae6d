import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { scoreEpisodes } from "../../src/pipeline/policy.js";
import { type Drawn, SamplingEngine, type SamplingOptions } from "../../src/rollout/sampling-engine.js";
import { completionEpisode } from "../../src/rollout/strategy.js";
import { Purpose, type StreamKey } from "../../src/rollout/stream-key.js";
import { writeCharacterTokenizer } from "../../src/tokenizer/character.js";
import { loadTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.js";
import type { Segment } from "../../src/tree/segment.js";
import { integers, segment } from "../forests.js";
import { characterTokenizer, families, markovDecoder, tinyDecoder, wideAlphabet } from "../tiny-decoder.js";

const folder = mkdtempSync(join(tmpdir(), "grpo-sampling-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const defaults: SamplingOptions = { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens: 12 };
const greedy = { ...defaults, temperature: 0 };

const keysOf = (slot: number, count: number, step = 1): StreamKey[] =>
  Array.from({ length: count }, (_, sample) => ({ purpose: Purpose.rollout, step, slot, sample, turn: 0 }));

/** Ids 0 `<pad>`, 1 `<eos>`, 2 `<unk>`, 3 `a`, 4 `b`, 5 `c.d`, 6 `e`, 7 `!`; `!` ends a completion like `<eos>`. */
function wordyTokenizer(): Tokenizer {
  writeCharacterTokenizer(folder, "abcde!");
  const file = join(folder, "tokenizer.json");
  const definition = JSON.parse(readFileSync(file, "utf8"));
  definition.model.vocab = { "<pad>": 0, "<eos>": 1, "<unk>": 2, a: 3, b: 4, "c.d": 5, e: 6, "!": 7 };
  writeFileSync(file, JSON.stringify(definition));
  writeFileSync(join(folder, "generation_config.json"), JSON.stringify({ eos_token_id: [1, 7] }));
  return loadTokenizer(folder);
}

/** Logits that all but force the cycle a b c.d e a ... unless `then` says otherwise. */
function chain(then: Record<number, number> = {}): number[][] {
  const next: Record<number, number> = { 3: 4, 4: 5, 5: 6, 6: 3, ...then };
  return Array.from({ length: 8 }, (_, id) => Array.from({ length: 8 }, (_, j) => (next[id] === j ? 50 : 0)));
}

async function one(logits: number[][], sampling: Partial<SamplingOptions>, maxLength?: number): Promise<Drawn> {
  const decoder = markovDecoder("f32", logits, maxLength);
  const engine = new SamplingEngine(decoder, wordyTokenizer(), 1);
  const [drawn] = await engine.sample(segment(null, [0, 6]), keysOf(0, 1), { ...defaults, ...sampling });
  await engine.dispose();
  decoder.dispose();
  return drawn!;
}

test("a stop string that ends inside a token cuts the text; the token is kept whole", async () => {
  const drawn = await one(chain(), { stop: ["zz", "c."] });
  assert.deepEqual([...drawn.tokens], [3, 4, 5]);
  assert.equal(drawn.text, "ab");
  assert.equal(drawn.finish, "stop");
});

test("a stop string may begin in one token and end in a later one; the earliest one in the text cuts", async () => {
  const drawn = await one(chain(), { stop: [".d", "bc", "e"] });
  assert.deepEqual([...drawn.tokens], [3, 4, 5]);
  assert.equal(drawn.text, "a");
});

test("a stop string in the prompt does not end a completion", async () => {
  const drawn = await one(chain(), { stop: ["ea"], maxTokens: 4 });
  assert.deepEqual([...drawn.tokens], [3, 4, 5, 6]);
  assert.equal(drawn.finish, "length");
});

test("every end id ends a completion, is kept, and gives no text if special", async () => {
  const eos = await one(chain({ 4: 1 }), {});
  assert.deepEqual([[...eos.tokens], eos.text, eos.finish], [[3, 4, 1], "ab", "stop"]);
  const mark = await one(chain({ 5: 7 }), {});
  assert.deepEqual([[...mark.tokens], mark.text, mark.finish], [[3, 4, 5, 7], "abc.d!", "stop"]);
});

test("the limit of tokens and the context both end with `length`; an end id on the last place is `stop`", async () => {
  const limited = await one(chain(), { maxTokens: 5 });
  assert.deepEqual([limited.tokens.length, limited.finish, limited.text], [5, "length", "abc.dea"]);
  const context = await one(chain(), { maxTokens: 500 }, 9);
  assert.deepEqual([context.tokens.length, context.finish], [7, "length"]);
  const last = await one(chain({ 4: 1 }), { maxTokens: 3 });
  assert.equal(last.finish, "stop");
});

test("greedy takes the most likely id, the lowest one on ties, with the log-prob at temperature 1", async () => {
  const logits = chain();
  logits[6] = [0, 0, 0, 2, 2, 1, 2, 0];
  const drawn = await one(logits, greedy);
  assert.equal(drawn.tokens[0], 3);
  const total = logits[6].reduce((sum, x) => sum + Math.exp(x), 0);
  assert.ok(Math.abs(drawn.logprob[0]! - (2 - Math.log(total))) < 1e-6);
});

for (const dtype of ["f32", "bf16"] as const) {
  test(`${dtype}: ids beyond the tokenizer are never drawn and get no probability, however large their logits`, async () => {
    const tokenizer = wordyTokenizer();
    const [real, rows] = [tokenizer.size, 40];
    const logits = Array.from({ length: rows }, (_, id) =>
      Array.from({ length: rows }, (_, j) => (j >= real ? 1000 : ((id * 7 + j * 5) % 8) / 4)),
    );
    const decoder = markovDecoder(dtype, logits);
    const engine = new SamplingEngine(decoder, tokenizer, 5);
    const prompt = segment(null, [3]);
    const restricted = { ...defaults, topK: 3, topP: 0.9, minP: 0.05 };
    for (const sampling of [defaults, restricted, greedy]) {
      const drawn = await engine.sample(prompt, keysOf(0, 30), { ...sampling, maxTokens: 20 });
      for (const { tokens, logprob } of drawn) {
        let last = 3;
        for (const [t, id] of tokens.entries()) {
          assert.ok(id < real, `id ${id} is beyond the tokenizer`);
          const own = logits[last]!.slice(0, real);
          const want = own[id]! - Math.log(own.reduce((sum, x) => sum + Math.exp(x), 0));
          assert.ok(Math.abs(logprob[t]! - want) < (dtype === "bf16" ? 0.02 : 1e-5), `${logprob[t]} is not ${want}`);
          last = id;
        }
      }
      const episodes = drawn.map((d, i) => completionEpisode(prompt, d, i, { version: 0, sampling }));
      const pass = {
        temperature: 1,
        vocabSize: real,
        maxTokens: 4096,
        sharedPrefix: true,
        checkpoint: false,
      };
      const { logp } = await scoreEpisodes(
        decoder,
        episodes,
        episodes.map(({ loss }) => loss),
        pass,
      );
      for (const [e, { logprob }] of drawn.entries()) assert.deepEqual(logp[e], Float64Array.from(logprob));
    }
    await engine.dispose();
    decoder.dispose();
  });

  test(`${dtype}: what is drawn depends on the key and the path alone, not on the pool, the order or the company`, async () => {
    const decoder = tinyDecoder(dtype, families["qwen3, untied"]);
    const tokenizer = characterTokenizer(wideAlphabet);
    const draw = integers(2);
    const prompts: Segment[] = [3, 64, 100, 65, 7, 127, 200, 1].map((n) =>
      segment(
        null,
        Array.from({ length: n }, () => draw(93)),
      ),
    );
    const sampling = { ...defaults, maxTokens: 90 };
    const bits = (drawn: Drawn[]) => drawn.map((d) => [...d.tokens, ...d.logprob, ...d.entropy, d.finish, d.text]);
    const sampled = async (engine: SamplingEngine, slots: number[]) => {
      const groups = await Promise.all(slots.map((slot) => engine.sample(prompts[slot]!, keysOf(slot, 3), sampling)));
      return new Map(slots.map((slot, i) => [slot, bits(groups[i]!)]));
    };
    const every = prompts.map((_, slot) => slot);

    const wide = new SamplingEngine(decoder, tokenizer, 21);
    const want = await sampled(wide, every);
    assert.deepEqual(await sampled(wide, every), want, "the same pool again");
    const backwards = await sampled(wide, every.toReversed());
    for (const slot of every) assert.deepEqual(backwards.get(slot), want.get(slot), "in another order");
    for (const slot of every) assert.deepEqual((await sampled(wide, [slot])).get(slot), want.get(slot), "alone");

    const narrow = new SamplingEngine(decoder, tokenizer, 21, 1);
    assert.deepEqual(await sampled(narrow, every), want, "one prompt at a time");
    // Prompts that come while others decode, with other options between them.
    const late = new SamplingEngine(decoder, tokenizer, 21, 400_000);
    const first = sampled(late, [6, 2]);
    await new Promise((resolve) => setImmediate(resolve));
    const company = late.sample(prompts[0]!, keysOf(9, 2), { ...sampling, topK: 5, maxTokens: 30 });
    const rest = await sampled(late, [0, 1, 3, 4, 5, 7]);
    const some = await first;
    await company;
    for (const slot of every) assert.deepEqual(rest.get(slot) ?? some.get(slot), want.get(slot), "arriving late");
    for (const engine of [wide, narrow, late]) await engine.dispose();
    decoder.dispose();
  });
}

test("one prompt in two slots, two steps or two seeds gives different completions; in one slot the same", async () => {
  const decoder = tinyDecoder("f32", families["llama, untied"]);
  const tokenizer = characterTokenizer(wideAlphabet);
  const prompt = segment(null, [5, 6, 7]);
  const draw = async (seed: number, keys: StreamKey[]) => {
    const engine = new SamplingEngine(decoder, tokenizer, seed);
    const drawn = await engine.sample(prompt, keys, defaults);
    await engine.dispose();
    return drawn.map(({ tokens }) => [...tokens].join());
  };
  const base = await draw(1, keysOf(0, 4));
  assert.equal(new Set(base).size, 4, "samples of a group differ");
  assert.deepEqual(await draw(1, keysOf(0, 4)), base);
  for (const other of [
    await draw(1, keysOf(1, 4)),
    await draw(1, keysOf(0, 4, 2)),
    await draw(2, keysOf(0, 4)),
    await draw(1 + 2 ** 32, keysOf(0, 4)),
  ]) {
    for (const [i, tokens] of other.entries()) assert.notEqual(tokens, base[i]);
  }
  decoder.dispose();
});
