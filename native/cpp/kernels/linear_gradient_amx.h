#pragma once
// The weight gradient of kernels/linear.h on AMX, which adds the rows in blocks of 32: bf16 as it is, float32 in three parts.
// Include from files named *_amx.cpp only.
#include "kernels/gemm_multiply_simd.h"
#include "kernels/gemm_pack_simd.h"
#include "kernels/linear.h"
#include "kernels/blocks_amx.h"

namespace grpo {
namespace GRPO_ISA_NS {

constexpr std::size_t kGradientBlock = 32, kPassBlocks = 16;
// Bytes of a block of 32 columns, and the strips of 32 of them of one item, which stay in L2 with a panel's blocks.
template <class T> constexpr std::size_t kBlockBytes = kBlockWords<T> * 4;
template <class T> constexpr std::size_t kItemStrips = sizeof(T) == 2 ? 32 : 14;

// `columns` columns of the pending rows and of the new ones after them, as one matrix; zeros after its end.
template <class T>
struct GradientRows {
  const T* pending;
  std::size_t pending_stride, pending_rows;
  const T* fresh;
  std::size_t fresh_stride, rows, columns;

  const T* row(std::size_t r) const { return r < pending_rows ? pending + r * pending_stride : fresh + (r - pending_rows) * fresh_stride; }
  // How many columns of row r are there from column c on.
  std::size_t width(std::size_t r, std::size_t c) const { return r < rows ? columns - c : 0; }
};

// Columns c .. c + 32 of the 32 rows of a block as one of B, 16 pairs of rows; of float32 the three parts.
static void pack_block(const GradientRows<bf16>& x, std::size_t block, std::size_t c, std::uint32_t* to) {
  for (std::size_t r = block * kGradientBlock; r < (block + 1) * kGradientBlock; r += 2, to += 32) {
    std::uint16_t pair[2][32];
    for (std::size_t i = 0; i < 2; ++i) {
      const std::size_t width = x.width(r + i, c);
      const bf16* const from = x.row(r + i) + c;
      if (width >= 32) {
        std::memcpy(pair[i], from, sizeof(pair[i]));
      } else {
        for (std::size_t j = 0; j < 32; ++j) pair[i][j] = j < width ? from[j].bits : std::uint16_t{0};
      }
    }
#pragma GCC ivdep
    for (int i = 0; i < 32; ++i) to[i] = static_cast<std::uint32_t>(pair[1][i]) << 16 | pair[0][i];
  }
}
static void pack_block(const GradientRows<float>& x, std::size_t block, std::size_t c, std::uint32_t* to) {
  for (std::size_t r = block * kGradientBlock; r < (block + 1) * kGradientBlock; r += 2, to += 32) {
    const Line low = load_line(x.row(r) + c, x.width(r, c)), high = load_line(x.row(r + 1) + c, x.width(r + 1, c));
    split_pairs(low.x, high.x, to);
    split_pairs(low.y, high.y, to + 16);
  }
}

// Rows of columns that will be packed next, from `r` to `end`, asked into L2 one by one.
template <class T>
struct RowsAhead {
  const GradientRows<T>& from;
  std::size_t column, r, end;

  __attribute__((always_inline)) void fetch() {
    if (r >= end) return;
    const T* const row = from.row(r++) + column;
    for (std::size_t i = 0; i < 32; i += 64 / sizeof(T)) __builtin_prefetch(row + i, 0, 2);
  }
};

// dw (32 or fewer rows, 32) continues over `blocks` blocks; `next` is fetched meanwhile, and what `rows` holds.
template <class T, bool BOTH>
static void add_tile(std::size_t blocks, const char* x, const char* dy, float* dw, bool from_dw, const float* next, RowsAhead<T>& rows) {
  const std::size_t steps = blocks * kBlockSteps<T>;
  Ahead ahead{reinterpret_cast<const char*>(next), static_cast<int>((64 + steps - 1) / steps)};
  Near next_x{x + kBlockBytes<T>}, next_dy{dy + kBlockBytes<T>};
  multiply_blocks<T, BOTH>(blocks, reinterpret_cast<const std::uint32_t*>(x), reinterpret_cast<const std::uint32_t*>(dy), dw, from_dw,
                           [&]() __attribute__((always_inline)) {
                             next_x.template fetch<kStepLines<T>>();
                             next_dy.template fetch<kStepLines<T>>();
                             fetch(ahead);
                             rows.fetch();
                           });
}

// Blocks b0 ... b0 + count of x as A, in strips of 32 columns: strip s, block b at to + (s count + b) kBlockBytes.
template <class T>
static void pack_strips(ThreadPool& pool, const GradientRows<T>& x, std::size_t b0, std::size_t count, char* to) {
  parallel_for(pool, (x.columns + 31) / 32, [&](std::size_t s, int) {
    for (std::size_t b = 0; b < count; ++b) {
      alignas(64) std::uint32_t pairs[kBlockBytes<T> / 4];
      pack_block(x, b0 + b, 32 * s, pairs);
      std::uint32_t* const block = reinterpret_cast<std::uint32_t*>(to + (s * count + b) * kBlockBytes<T>);
      for (std::size_t part = 0; part < kBlockBytes<T> / 4; part += kPartWords) turn_part(pairs + part, block + part);
    }
  });
}

// dw = (or += with `accumulate`) the sum over blocks b0 ... b0 + count of rows, those of x packed; each thread's scratch has room for as many
// blocks.
template <class T>
static void add_strips(ThreadPool& pool, const GradientRows<T>& x, const GradientRows<T>& dy, std::size_t b0, std::size_t count,
                       const char* packed_x, float* dw, bool accumulate) {
  constexpr std::size_t bytes = kBlockBytes<T>;
  const std::size_t K = x.columns, panels = (dy.columns + 31) / 32, strips = (K + 31) / 32, threads = static_cast<std::size_t>(pool.size());
  const std::size_t group = panels >= 32 * threads ? 4 : panels >= 8 * threads ? 2 : 1;
  const std::size_t strip_groups = (strips + kItemStrips<T> - 1) / kItemStrips<T>, panel_groups = (panels + group - 1) / group;
  // Items of the same strips follow each other.
  parallel_for(pool, strip_groups * panel_groups, [&](std::size_t item, int thread) {
    const std::size_t p0 = item % panel_groups * group, p1 = p0 + group < panels ? p0 + group : panels;
    const std::size_t s0 = strips * (item / panel_groups) / strip_groups, s1 = strips * (item / panel_groups + 1) / strip_groups;
    char* const packed_dy = static_cast<char*>(pool.scratch(thread, 0));
    TileRegisters registers;
    for (std::size_t p = p0; p < p1; ++p) {
      for (std::size_t b = 0; b < count; ++b) pack_block(dy, b0 + b, 32 * p, reinterpret_cast<std::uint32_t*>(packed_dy + b * bytes));
      const std::size_t later = p + 1 < panels ? (b0 + count) * kGradientBlock : 0;
      RowsAhead<T> ahead{dy, 32 * (p + 1), b0 * kGradientBlock, later < dy.rows ? later : dy.rows};
      for (std::size_t s = s0; s < s1; ++s) {
        const std::size_t rows = K - 32 * s < 32 ? K - 32 * s : 32;
        registers.set_up(rows);
        float* const to = dw + (p * K + 32 * s) * 32;
        const float* const next = s + 1 < s1 ? to + 32 * 32 : dw + ((p + 1) * K + 32 * s0) * 32;
        const char* const of_x = packed_x + s * count * bytes;
        if (rows > 16) add_tile<T, true>(count, of_x, packed_dy, to, accumulate, next, ahead);
        else add_tile<T, false>(count, of_x, packed_dy, to, accumulate, next, ahead);
      }
    }
  });
}

// dw = (or += with `accumulate`) the sum over `blocks` blocks of rows.
template <class T>
static void weight_gradient_blocks(ThreadPool& pool, std::size_t blocks, const GradientRows<T>& x, const GradientRows<T>& dy, float* dw,
                                   bool accumulate) {
  const std::size_t most = blocks < kPassBlocks ? blocks : kPassBlocks, own = most * kBlockBytes<T>;
  for (int t = 0; t < pool.size(); ++t) pool.scratch(t, own);
  char* const packed_x = static_cast<char*>(pool.scratch(0, own + (x.columns + 31) / 32 * own)) + own;
  for (std::size_t b0 = 0; b0 < blocks; b0 += kPassBlocks) {
    const std::size_t count = blocks - b0 < kPassBlocks ? blocks - b0 : kPassBlocks;
    pack_strips(pool, x, b0, count, packed_x);
    add_strips(pool, x, dy, b0, count, packed_x, dw, accumulate || b0 > 0);
  }
}

// How many blocks `rows` rows make, those pending included.
GRPO_INLINE std::size_t gradient_blocks(const PendingRows* pending, std::size_t rows) {
  return (pending && !pending->close ? rows : rows + kGradientBlock - 1) / kGradientBlock;
}

// Those of `rows` new rows of `columns` columns that no block took go to the pending ones, after the `before` that are there.
template <class T>
static void keep_rows(std::size_t before, std::size_t rows, std::size_t blocks, std::size_t columns, const T* from, std::size_t from_stride,
                      T* to, std::size_t to_stride) {
  const std::size_t taken = blocks * kGradientBlock;
  for (std::size_t r = taken > before ? taken - before : 0; r < rows; ++r)
    std::memcpy(to + (before + r - taken) * to_stride, from + r * from_stride, columns * sizeof(T));
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
