#include "kernels/vocab_tiles_simd.h"

namespace grpo {

TileOps<bf16> tile_ops_avx512bf16_bf16() { return avx512bf16::fast_tile_ops<bf16>(); }

}  // namespace grpo
