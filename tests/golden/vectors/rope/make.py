"""Inverse frequencies and attention factors of transformers' rotary embeddings, for tests/unit/model-rope.test.ts."""

import json
import sys

import torch
import transformers
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

base = dict(
    vocab_size=32, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4, head_dim=16,
    max_position_embeddings=128,
)
scalings = {
    "default": dict(rope_type="default", rope_theta=10000.0),
    "default, wide heads": dict(rope_type="default", rope_theta=1000000.0),
    "linear": dict(rope_type="linear", rope_theta=10000.0, factor=4.0),
    "dynamic, within the trained length": dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0),
    "dynamic, beyond it": dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0),
    "llama3": dict(
        rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=64,
    ),
    "yarn": dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=32),
    "yarn, factor from the lengths": dict(rope_type="yarn", rope_theta=10000.0, factor=None, original_max_position_embeddings=32),
    "yarn, all keys": dict(
        rope_type="yarn", rope_theta=1000000.0, factor=16.0, original_max_position_embeddings=64, beta_fast=16.0,
        beta_slow=2.0, mscale=1.2, mscale_all_dim=0.7, truncate=False,
    ),
    "yarn, attention factor given": dict(
        rope_type="yarn", rope_theta=10000.0, factor=8.0, original_max_position_embeddings=64, attention_factor=1.3,
    ),
}

cases = []
for name, scaling in scalings.items():
    shape = dict(base)
    if name == "default, wide heads":
        shape.update(head_dim=128)
    longest = 512 if "beyond" in name else 100
    scaling = {key: value for key, value in scaling.items() if value is not None}
    if name == "yarn, factor from the lengths":
        scaling["factor"] = shape["max_position_embeddings"] / scaling["original_max_position_embeddings"]
    config = LlamaConfig(**shape, rope_parameters=dict(scaling))
    rotary = LlamaRotaryEmbedding(config)
    # A forward pass up to the longest position lets `dynamic` update its frequencies.
    positions = torch.arange(longest)[None]
    cos, sin = rotary(torch.zeros(1, longest, 1), positions)
    half = shape["head_dim"] // 2
    if name == "yarn, factor from the lengths":
        del scaling["factor"]
    cases.append(dict(
        name=name,
        config={**{k: v for k, v in shape.items()}, "model_type": "llama", "rope_parameters": scaling},
        longest=longest,
        frequencies=[float(f) for f in rotary.inv_freq],
        scaling=float(rotary.attention_scaling),
        last_cos=[float(c) for c in cos[0, -1, :half]],
        last_sin=[float(s) for s in sin[0, -1, :half]],
    ))

with open(sys.argv[1], "w") as out:
    json.dump(dict(transformers=transformers.__version__, cases=cases), out, indent=1)
    out.write("\n")
