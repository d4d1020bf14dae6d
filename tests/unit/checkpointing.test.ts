import assert from "node:assert/strict";
import { test } from "node:test";
import { trainSchema } from "../../src/config/schema/train.js";
import { activationSizes } from "../../src/model/activation-memory.js";
import { parseModelConfig } from "../../src/model/config.js";
import { checkpointingFor, checkpointingOf } from "../../src/pipeline/checkpointing.js";

const config = parseModelConfig(
  {
    model_type: "qwen2",
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    vocab_size: 151936,
    max_position_embeddings: 32768,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: true,
  },
  "test",
);

test("the config's activation_checkpointing says what a pass keeps", () => {
  const of = (train: object) => checkpointingOf(trainSchema.parse(train));
  assert.equal(of({}), false);
  assert.equal(of({ activation_checkpointing: "layer" }), true);
  assert.deepEqual(of({ activation_checkpointing: "stream" }), { chunk: 512, group: 1 });
  assert.deepEqual(of({ activation_checkpointing: "stream", layer_chunk: 99, layer_group: 4 }), {
    chunk: 99,
    group: 4,
  });
});

test("a tree beyond the budget keeps layer inputs, and is streamed where those hold too much", () => {
  const { plain, layer, stream } = activationSizes(config);
  const streams = Math.floor((1000 * plain) / stream);
  const fits = Math.floor((1000 * plain) / layer);
  const of = (tokens: number, checkpoint: boolean) => checkpointingFor(config, tokens, { checkpoint, maxTokens: 1000 });
  assert.equal(of(1000, false), false);
  assert.equal(of(1001, false), true);
  assert.equal(of(fits, false), true);
  assert.deepEqual(of(fits + 1, false), { chunk: 512, group: 1 });
  assert.deepEqual(of(streams, false), { chunk: 512, group: 1 });
  assert.deepEqual(of(streams + 1, false), { chunk: 512, group: 5 });
  assert.equal(of(1000, true), true);
  assert.deepEqual(of(1001, true), { chunk: 512, group: 1 });
  assert.deepEqual(checkpointingFor(config, 5, { checkpoint: { chunk: 3 }, maxTokens: 9 }), { chunk: 3 });
  assert.deepEqual(checkpointingFor(config, 1e6, { checkpoint: false, maxTokens: 64 }), { chunk: 64, group: 5 });
});
