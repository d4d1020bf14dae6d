#include "kernels/tree_attention_simd.h"

namespace grpo {

AttentionTiles<float> avx2_tiles_f32() { return avx2::simd_tiles<float>(); }
AttentionTiles<bf16> avx2_tiles_b16() { return avx2::simd_tiles<bf16>(); }

}  // namespace grpo
