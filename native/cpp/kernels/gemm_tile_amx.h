#pragma once
// The tile of gemm_tile_simd.h for bf16 on AMX: up to 32 rows of A times a panel of 32 columns of B. tdpbf16ps takes 32 steps
// of the reduction at once; for each element it computes, in float32,
//   c = c + (even + odd),  even = chain of fused multiply-adds over the elements 0, 2, .. 30 of the 32, from 0; odd likewise
// (Intel Architecture Instruction Set Extensions, TDPBF16PS; subnormal numbers count as zero). The last 32 are filled up with
// zeros. So a result depends on the reduction alone, not on the rows beside it.
// Include from files named *_amx.cpp only.
#include "kernels/gemm_tile_simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

constexpr std::size_t kAmxRows = 32, kAmxSteps = 16;  // rows of two tiles; pairs of one product

// ldtilecfg's operand: tiles 0 .. 3 are c, 4 and 5 a, 6 and 7 b.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};

  explicit TileConfig(std::size_t count) {
    const std::size_t upper = count < 16 ? count : 16, lower = count < 16 ? 16 : count - 16;
    for (int i = 0; i < 8; ++i) {
      row_bytes[i] = 64;
      rows[i] = static_cast<std::uint8_t>(i > 5 ? 16 : i == 2 || i == 3 || i == 5 ? (count > 16 ? lower : 16) : upper);
    }
  }
};

// The tile registers of a thread while it lives, set up for a number of rows.
class TileRegisters {
 public:
  TileRegisters() = default;
  TileRegisters(const TileRegisters&) = delete;
  ~TileRegisters() {
    if (rows_ > 0) _tile_release();
  }
  __attribute__((always_inline)) void set_up(std::size_t rows) {
    if (rows == rows_) return;
    const TileConfig config(rows);
    _tile_loadconfig(&config);
    rows_ = rows;
  }

 private:
  std::size_t rows_ = 0;
};

// c (rows, 32) continues over one product: rows 0 .. 15 from a, the others, if any (`both`), from a16.
#define GRPO_AMX_STEP(a, a16, pitch, b, both) \
  do {                                       \
    _tile_loadd(6, (b), 128);                \
    _tile_loadd(7, (b) + 64, 128);           \
    _tile_loadd(4, (a), (pitch));            \
    _tile_dpbf16ps(0, 4, 6);                 \
    _tile_dpbf16ps(1, 4, 7);                 \
    if (both) {                              \
      _tile_loadd(5, (a16), (pitch));        \
      _tile_dpbf16ps(2, 5, 6);               \
      _tile_dpbf16ps(3, 5, 7);               \
    }                                        \
  } while (false)

template <bool BOTH>
GRPO_INLINE void start_tiles(const float* c, bool from_c) {
  if (from_c) {
    _tile_loadd(0, c, 128);
    _tile_loadd(1, c + 16, 128);
    if (BOTH) {
      _tile_loadd(2, c + 16 * 32, 128);
      _tile_loadd(3, c + 16 * 32 + 16, 128);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if (BOTH) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
}

template <bool BOTH>
GRPO_INLINE void finish_tiles(float* c) {
  _tile_stored(0, c, 128);
  _tile_stored(1, c + 16, 128);
  if (BOTH) {
    _tile_stored(2, c + 16 * 32, 128);
    _tile_stored(3, c + 16 * 32 + 16, 128);
  }
}

// Row-major A: row r at a + r * stride elements, `length` elements of the reduction.
template <bool BOTH>
static void tile_rows_amx(TileRegisters& registers, std::size_t rows, std::size_t length, const bf16* a, std::size_t stride,
                          const void* panel, float* c, bool from_c, Ahead ahead) {
  registers.set_up(rows);
  start_tiles<BOTH>(c, from_c);
  const char *from = reinterpret_cast<const char*>(a), *b = static_cast<const char*>(panel);
  const std::size_t pitch = stride * sizeof(bf16), whole = length / 32, near = kStreamAhead, wake = kWakeAhead;
  for (std::size_t i = 0; i < whole; ++i) {
    if (!BOTH) {
#pragma GCC unroll 32
      for (int line = 0; line < 32; ++line) __builtin_prefetch(b + near + 64 * line, 0, 3);
#pragma GCC unroll 4
      for (int line = 0; line < 4; ++line) __builtin_prefetch(b + wake + 64 * (line % 2) + 1024 * (line / 2), 0, 2);
    }
    GRPO_AMX_STEP(from, from + 16 * pitch, pitch, b, BOTH);
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
    GRPO_AMX_STEP(reinterpret_cast<const char*>(last), reinterpret_cast<const char*>(last + 16 * 32), 64, pairs, BOTH);
  }
  finish_tiles<BOTH>(c);
}

// Packed A and B, `blocks` times 32 steps of the reduction: of A (16, 32) words, row r beside row r + 16; of B a panel's (16, 32).
template <bool BOTH>
static void tile_packed_amx(std::size_t blocks, const char* a, const char* b, float* c, bool from_c) {
  start_tiles<BOTH>(c, from_c);
  for (std::size_t i = 0; i < blocks; ++i) {
    GRPO_AMX_STEP(a, a + 64, 128, b, BOTH);
    a += kAmxSteps * kPanelBytes;
    b += kAmxSteps * kPanelBytes;
  }
  finish_tiles<BOTH>(c);
}
#undef GRPO_AMX_STEP

}  // namespace GRPO_ISA_NS
}  // namespace grpo
