#include "kernels/tree_attention_simd.h"

namespace grpo {

AttentionTiles<float> avx512_tiles_f32() { return avx512::simd_tiles<float>(); }
AttentionTiles<bf16> avx512_tiles_b16() { return avx512::simd_tiles<bf16>(); }

}  // namespace grpo
