#pragma once
// The tile registers of AMX and their bf16 product. tdpbf16ps takes 32 elements of the reduction at once; for each element of c it
// computes, in float32,
//   c = c + (even + odd),  even = chain of fused multiply-adds over the elements 0, 2, .. 30 of the 32, from 0; odd likewise
// (Intel Architecture Instruction Set Extensions, TDPBF16PS; subnormal numbers count as zero). A reduction is filled up with zeros
// to a multiple of 32. So a result depends on the reduction alone, not on the rows beside it.
// Include from files named *_amx.cpp only.
#include "core/simd.h"

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

// c (rows, 32) continues over one product: rows 0 .. 15 from a, the others, if any (BOTH), from a16. Pitches are in bytes.
template <bool BOTH>
GRPO_INLINE void step_tiles(const char* a, const char* a16, std::size_t a_pitch, const char* b, std::size_t b_pitch) {
  _tile_loadd(6, b, b_pitch);
  _tile_loadd(7, b + 64, b_pitch);
  _tile_loadd(4, a, a_pitch);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  if (BOTH) {
    _tile_loadd(5, a16, a_pitch);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

template <bool BOTH>
GRPO_INLINE void start_tiles(const float* c, std::size_t c_row, bool from_c) {
  if (from_c) {
    _tile_loadd(0, c, c_row * 4);
    _tile_loadd(1, c + 16, c_row * 4);
    if (BOTH) {
      _tile_loadd(2, c + 16 * c_row, c_row * 4);
      _tile_loadd(3, c + 16 * c_row + 16, c_row * 4);
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
GRPO_INLINE void finish_tiles(float* c, std::size_t c_row) {
  _tile_stored(0, c, c_row * 4);
  _tile_stored(1, c + 16, c_row * 4);
  if (BOTH) {
    _tile_stored(2, c + 16 * c_row, c_row * 4);
    _tile_stored(3, c + 16 * c_row + 16, c_row * 4);
  }
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
