#pragma once
// The tiles of gemm_tile_simd.h for bf16 on AMX (amx_tiles.h): up to 32 rows of A times a panel of 32 columns of B.
// Include from files named *_amx.cpp only.
#include "kernels/amx_tiles.h"
#include "kernels/gemm_tile_simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

// Row-major A: row r at a + r * stride elements, `length` elements of the reduction.
template <bool BOTH, bool FAR>
static void tile_rows_amx(TileRegisters& registers, std::size_t rows, std::size_t length, const bf16* a, std::size_t stride,
                          const void* panel, float* c, bool from_c, Ahead ahead) {
  registers.set_up(rows);
  start_tiles<BOTH>(c, 32, from_c);
  const char *from = reinterpret_cast<const char*>(a), *b = static_cast<const char*>(panel);
  const std::size_t pitch = stride * sizeof(bf16), whole = length / 32, near = FAR ? kNearAhead : kStreamAhead, far = kFarAhead, wake = kWakeAhead;
  for (std::size_t i = 0; i < whole; ++i) {
    if (!BOTH || FAR) {
#pragma GCC unroll 32
      for (int line = 0; line < 32; ++line) {
        __builtin_prefetch(b + near + 64 * line, 0, 3);
        if (FAR) __builtin_prefetch(b + far + 64 * line, 0, 2);
      }
#pragma GCC unroll 4
      for (int line = 0; !FAR && line < 4; ++line) __builtin_prefetch(b + wake + 64 * (line % 2) + 1024 * (line / 2), 0, 2);
    }
    step_tiles<BOTH>(from, from + 16 * pitch, pitch, b, kPanelBytes);
    from += 64;
    b += kAmxSteps * kPanelBytes;
    fetch(ahead);
    fetch(ahead);
  }
  if (const std::size_t rest = length % 32; rest > 0) {
    alignas(64) bf16 last[kAmxRows * 32] = {};
    alignas(64) char pairs[kAmxSteps * kPanelBytes] = {};
    for (std::size_t r = 0; r < rows; ++r) std::memcpy(last + 32 * r, from + r * pitch, rest * sizeof(bf16));
    std::memcpy(pairs, b, (rest + 1) / 2 * kPanelBytes);
    step_tiles<BOTH>(reinterpret_cast<const char*>(last), reinterpret_cast<const char*>(last + 16 * 32), 64, pairs, kPanelBytes);
  }
  finish_tiles<BOTH>(c, 32);
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
