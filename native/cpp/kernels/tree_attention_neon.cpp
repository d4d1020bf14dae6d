#include "kernels/tree_attention_simd.h"

namespace grpo {

AttentionTiles<float> neon_tiles_f32() { return neon::simd_tiles<float>(); }
AttentionTiles<bf16> neon_tiles_b16() { return neon::simd_tiles<bf16>(); }

}  // namespace grpo
