const common = {
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
  initializer_range: 0.02,
};

/** Shapes of the race against TRL, as config.json would say them; weights are random. */
export const shapes: Readonly<Record<string, Record<string, unknown>>> = {
  "0.28m": {
    ...common,
    model_type: "llama",
    hidden_size: 64,
    intermediate_size: 172,
    num_hidden_layers: 5,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    vocab_size: 512,
  },
  "19m": {
    ...common,
    model_type: "llama",
    hidden_size: 384,
    intermediate_size: 1536,
    num_hidden_layers: 8,
    num_attention_heads: 6,
    num_key_value_heads: 6,
    vocab_size: 4096,
  },
  "qwen2.5-0.5b": {
    ...common,
    model_type: "qwen2",
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    vocab_size: 151936,
    rope_theta: 1e6,
  },
};
