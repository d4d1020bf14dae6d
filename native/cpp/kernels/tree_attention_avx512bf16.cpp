#include "kernels/tree_attention_simd.h"

namespace grpo {

AttentionTiles<bf16> avx512bf16_tiles_b16() { return avx512bf16::simd_tiles<bf16>(); }

}  // namespace grpo
