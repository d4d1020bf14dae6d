#include "kernels/vocab_tiles_simd.h"

namespace grpo {

TileOps<float> tile_ops_neon_f32() { return neon::fast_tile_ops<float>(); }
TileOps<bf16> tile_ops_neon_bf16() { return neon::fast_tile_ops<bf16>(); }

}  // namespace grpo
