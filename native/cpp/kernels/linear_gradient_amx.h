#pragma once
// The weight gradient of kernels/linear.h for bf16 on AMX, which adds the rows in blocks of 32. Include from files named *_amx.cpp only.
#include "kernels/gemm_multiply_simd.h"
#include "kernels/gemm_pack_simd.h"
#include "kernels/linear.h"

namespace grpo {
namespace GRPO_ISA_NS {

constexpr std::size_t kGradientBlock = 32, kPassBlocks = 16, kBlockBytes = kAmxSteps * kPanelBytes;

// `columns` columns of the pending rows and of the new ones after them, as one matrix; zeros after its end.
struct GradientRows {
  const bf16* pending;
  std::size_t pending_stride, pending_rows;
  const bf16* fresh;
  std::size_t fresh_stride, rows, columns;

  // Columns c .. c + 32 of row r.
  void copy(std::size_t r, std::size_t c, std::uint16_t (&to)[32]) const {
    const bf16* row = r < pending_rows ? pending + r * pending_stride : fresh + (r - pending_rows) * fresh_stride;
    const std::size_t count = r >= rows ? 0 : columns - c < 32 ? columns - c : 32;
    if (count == 32) {
      std::memcpy(to, row + c, sizeof(to));
    } else {
      for (std::size_t i = 0; i < 32; ++i) to[i] = i < count ? row[c + i].bits : std::uint16_t{0};
    }
  }
  // Columns c .. c + 32 of the 32 rows of a block, as 16 pairs of rows.
  void pack(std::size_t block, std::size_t c, std::uint32_t* to) const {
    for (std::size_t r = block * kGradientBlock; r < (block + 1) * kGradientBlock; r += 2, to += 32) {
      std::uint16_t low[32], high[32];
      copy(r, c, low);
      copy(r + 1, c, high);
#pragma GCC ivdep
      for (int i = 0; i < 32; ++i) to[i] = static_cast<std::uint32_t>(high[i]) << 16 | low[i];
    }
  }
};

// dw = (or += with `accumulate`) the sum over `blocks` blocks of rows.
static void weight_gradient_blocks(ThreadPool& pool, std::size_t blocks, std::size_t N, std::size_t K, const GradientRows& x,
                                   const GradientRows& dy, float* dw, bool accumulate) {
  const std::size_t panels = (N + 31) / 32, strips = (K + 31) / 32, most = blocks < kPassBlocks ? blocks : kPassBlocks;
  const std::size_t threads = static_cast<std::size_t>(pool.size()), group = panels >= 32 * threads ? 4 : panels >= 8 * threads ? 2 : 1;
  // Strips of one item: with a panel's pairs they stay in L2.
  constexpr std::size_t kItemStrips = 32;
  const std::size_t strip_groups = (strips + kItemStrips - 1) / kItemStrips, items = (panels + group - 1) / group * strip_groups;
  char* const packed_x = static_cast<char*>(pool.scratch(0, (strips + panels) * most * kBlockBytes));
  char* const packed_dy = packed_x + strips * most * kBlockBytes;
  for (std::size_t b0 = 0; b0 < blocks; b0 += kPassBlocks) {
    const std::size_t count = blocks - b0 < kPassBlocks ? blocks - b0 : kPassBlocks;
    parallel_for(pool, strips + panels, [&](std::size_t i, int) {
      for (std::size_t b = 0; b < count; ++b) {
        if (i >= strips) {
          dy.pack(b0 + b, 32 * (i - strips), reinterpret_cast<std::uint32_t*>(packed_dy + ((i - strips) * count + b) * kBlockBytes));
          continue;
        }
        // Rows of A are columns of x: word j of row k is the pair of rows 2 j, 2 j + 1.
        alignas(64) std::uint32_t pairs[kAmxSteps * 32];
        x.pack(b0 + b, 32 * i, pairs);
        float* const to = reinterpret_cast<float*>(packed_x + (i * count + b) * kBlockBytes);
        for (std::size_t half = 0; half < 32; half += 16) transpose_block(reinterpret_cast<const float*>(pairs) + half, to + half, 16);
      }
    });
    parallel_for(pool, items, [&](std::size_t item, int) {
      const std::size_t p0 = item / strip_groups * group, p1 = p0 + group < panels ? p0 + group : panels;
      const std::size_t s0 = strips * (item % strip_groups) / strip_groups, s1 = strips * (item % strip_groups + 1) / strip_groups;
      TileRegisters registers;
      for (std::size_t p = p0; p < p1; ++p) {
        for (std::size_t s = s0; s < s1; ++s) {
          const std::size_t rows = K - 32 * s < 32 ? K - 32 * s : 32;
          registers.set_up(rows);
          const auto tile = rows > 16 ? tile_packed_amx<true> : tile_packed_amx<false>;
          tile(count, packed_x + s * count * kBlockBytes, packed_dy + p * count * kBlockBytes, dw + (p * K + 32 * s) * 32,
               accumulate || b0 > 0);
        }
      }
    });
  }
}

// How many blocks `rows` rows make, those pending included.
GRPO_INLINE std::size_t gradient_blocks(const PendingRows* pending, std::size_t rows) {
  return (pending && !pending->close ? rows : rows + kGradientBlock - 1) / kGradientBlock;
}

// Those of `rows` new rows of `columns` columns that no block took go to the pending ones, after the `before` that are there.
static void keep_rows(std::size_t before, std::size_t rows, std::size_t blocks, std::size_t columns, const bf16* from, std::size_t from_stride,
                      bf16* to, std::size_t to_stride) {
  const std::size_t taken = blocks * kGradientBlock;
  for (std::size_t r = taken > before ? taken - before : 0; r < rows; ++r)
    std::memcpy(to + (before + r - taken) * to_stride, from + r * from_stride, columns * sizeof(bf16));
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
