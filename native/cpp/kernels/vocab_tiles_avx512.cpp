#include "kernels/vocab_tiles_simd.h"

namespace grpo {

TileOps<float> tile_ops_avx512_f32() { return avx512::fast_tile_ops<float>(); }
TileOps<bf16> tile_ops_avx512_bf16() { return avx512::fast_tile_ops<bf16>(); }

}  // namespace grpo
