#include "kernels/vocab_tiles_simd.h"

namespace grpo {

TileOps<float> tile_ops_amx_f32() { return amx::fast_tile_ops<float>(); }
TileOps<bf16> tile_ops_amx_bf16() { return amx::fast_tile_ops<bf16>(); }

}  // namespace grpo
