#include "kernels/tree_attention_simd.h"

namespace grpo {

AttentionTiles<bf16> amx_tiles_b16() { return amx::simd_tiles<bf16>(); }

}  // namespace grpo
