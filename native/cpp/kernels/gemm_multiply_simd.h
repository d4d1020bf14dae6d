#pragma once
// Chooses the tile of a product: by instruction set, type and number of rows. Include from instruction-set files only.
#include "kernels/gemm_tile_simd.h"
#if defined(__AMX_BF16__)
#include "kernels/gemm_tile_amx.h"
#endif

namespace grpo {
namespace GRPO_ISA_NS {

// Most rows of a tile of row-major A.
template <class T> constexpr std::size_t kMostRows = kTileRows;
#if defined(__AMX_BF16__)
template <> constexpr std::size_t kMostRows<bf16> = kAmxRows;
#endif

// `rows` rows of row-major A, 1 .. kMostRows<T>.
template <class T, int ROWS = kTileRows>
static void multiply_rows(std::size_t rows, std::size_t length, const T* a, std::size_t stride, const void* panel, float* c, bool from_c,
                          Ahead ahead) {
#if defined(__AMX_BF16__)
  if constexpr (sizeof(T) == 2) {
    if (rows > 16) tile_rows_amx<true>(rows, length, a, stride, panel, c, from_c, ahead);
    else tile_rows_amx<false>(rows, length, a, stride, panel, c, from_c, ahead);
    return;
  }
#endif
  if constexpr (ROWS > 1) {
    if (rows < ROWS) return multiply_rows<T, ROWS - 1>(rows, length, a, stride, panel, c, from_c, ahead);
  }
#if defined(GRPO_WIDE_PAIRS)
  if constexpr (sizeof(T) == 2) tile_rows_wide<ROWS>(length, a, stride, panel, c, from_c, ahead);
  else
#endif
    tile_rows<T, ROWS>(length, a, stride, panel, c, from_c, ahead);
}

// The first `rows` of packed A, 1 .. kTileRows.
template <class T, int ROWS = kTileRows>
static void multiply_packed(std::size_t rows, std::size_t steps, const void* a, const void* panel, float* c, bool from_c, Ahead ahead) {
  if constexpr (ROWS > 1) {
    if (rows < ROWS) return multiply_packed<T, ROWS - 1>(rows, steps, a, panel, c, from_c, ahead);
  }
#if defined(GRPO_WIDE_PAIRS)
  if constexpr (sizeof(T) == 2) tile_packed_wide<ROWS>(steps, a, panel, c, from_c, ahead);
  else
#endif
    tile_packed<T, ROWS>(steps, a, panel, c, from_c, ahead);
}

// Even cut of `total` rows into tiles: tile t is the rows [t * total / tiles, (t + 1) * total / tiles).
template <class T> GRPO_INLINE std::size_t tiles_of(std::size_t total) { return (total + kMostRows<T> - 1) / kMostRows<T>; }

}  // namespace GRPO_ISA_NS
}  // namespace grpo
