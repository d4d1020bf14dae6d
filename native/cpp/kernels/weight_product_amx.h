#pragma once
// Products with a float32 weight W (N, K), in panels, made of blocks (blocks_amx.h): y = x W^T, sums over k, and dx = dy W, sums over n.
// The forward product serves backward passes, which need not have the bits of the pass they go back through. Each element depends on its
// row and W alone. Include from files named *_amx.cpp only.
#include "kernels/blocks_amx.h"

namespace grpo {
namespace GRPO_ISA_NS {

enum class Product { forward, input_gradient };

constexpr std::size_t kSpan = 2;  // blocks of the reduction that all panels meet before the next ones

// Blocks of W. Panel p of the result has the columns n (forward) or k (input gradient) from 32 p on; with 32 elements of the reduction
// it needs 4 KB of memory, 32 lines k of 32 numbers n: as B of the forward product, whose pairs are lines, or as A of the input
// gradient, whose rows are lines. Lines after K are zero.
template <Product P>
class WeightBlocks {
 public:
  WeightBlocks(const float* w, std::size_t K) : w_(w), K_(K) {}

  // Next come blocks b ... b + count of panel p, into `to`; those at `after` will follow.
  void start(std::size_t p, std::size_t b, std::size_t count, const float* after, std::uint32_t* to) {
    for (std::size_t i = 0; i < count; ++i) from_[i] = at(p, b + i), lines_[i] = K_ - 32 * (P == Product::forward ? b + i : p);
    from_[count] = after;
    to_ = to;
    unit_ = 0;
    end_ = count * 16;
  }
  // Memory of a block.
  const float* at(std::size_t p, std::size_t b) const {
    return P == Product::forward ? w_ + (p * K_ + 32 * b) * 32 : w_ + (b * K_ + 32 * p) * 32;
  }

  // Goes on by at most so many units, of two lines each.
  __attribute__((always_inline)) void convert(std::size_t units) {
    for (const std::size_t end = unit_ + units < end_ ? unit_ + units : end_; unit_ < end; ++unit_) {
      const float* const from = unit(unit_);
      const char *const near = reinterpret_cast<const char*>(unit(unit_ + 3)), *const far = reinterpret_cast<const char*>(unit(unit_ + 11));
#pragma GCC unroll 4
      for (int line = 0; line < 4; ++line) {
        __builtin_prefetch(near + 64 * line, 0, 3);
        __builtin_prefetch(far + 64 * line, 0, 2);
      }
      const std::size_t r = unit_ % 16 * 2, lines = lines_[unit_ / 16];
      const __mmask16 first = r < lines ? 0xffff : 0, second = r + 1 < lines ? 0xffff : 0;
      const v16 x0{_mm512_maskz_loadu_ps(first, from)}, y0{_mm512_maskz_loadu_ps(first, from + 16)};
      const v16 x1{_mm512_maskz_loadu_ps(second, from + 32)}, y1{_mm512_maskz_loadu_ps(second, from + 48)};
      std::uint32_t* const block = to_ + unit_ / 16 * kBlockWords<float>;
      if (P == Product::forward) {
        split_pairs(x0, x1, block + r * 16);
        split_pairs(y0, y1, block + r * 16 + 16);
      } else {
        split_row(x0, y0, block + row_at(r));
        split_row(x1, y1, block + row_at(r + 1));
      }
    }
  }

 private:
  const float* unit(std::size_t u) const { return from_[u / 16] + u % 16 * 64; }

  const float* w_;
  std::size_t K_, unit_ = 0, end_ = 0, lines_[kSpan];
  const float* from_[kSpan + 1];
  std::uint32_t* to_ = nullptr;
};

// c (panel, c_tiles, 32, 32) of panels [p0, p1) = (from_c: c +) the product over the blocks [b0, b0 + count) of the reduction, kSpan at
// most; `rows` (tiles, count) are blocks of the other factor. Each panel meets all tiles; meanwhile the next one is converted, into
// `work`, which has room for two spans, and ahead() is called kBlockSteps times a block.
template <Product P, class F>
static void multiply_span(const float* w, std::size_t K, std::size_t p0, std::size_t p1, std::size_t b0, std::size_t count,
                          std::size_t tiles, const std::uint32_t* rows, std::uint32_t* work, float* c, std::size_t c_tiles, bool from_c,
                          F&& ahead) {
  std::uint32_t *now = work, *then = work + count * kBlockWords<float>;
  WeightBlocks<P> weights(w, K);
  // After the last panel comes the first of the next span.
  const auto start = [&](std::size_t p, std::uint32_t* to) {
    weights.start(p, b0, p < p1 ? count : 0, p + 1 < p1 ? weights.at(p + 1, b0) : weights.at(p0, b0 + count), to);
  };
  // The units of the next panel, spread over the steps.
  const std::size_t steps = tiles * count * kBlockSteps<float>;
  std::size_t due = 0;
  Registers registers;
  registers.set_up(32);
  start(p0, now);
  weights.convert(count * 16);
  for (std::size_t p = p0; p < p1; ++p) {
    start(p + 1, then);
    for (std::size_t t = 0; t < tiles; ++t) {
      const std::uint32_t* const packed = rows + t * count * kBlockWords<float>;
      float* const results = c + ((p - p0) * c_tiles + t) * 32 * 32;
      Near next_block{reinterpret_cast<const char*>(packed + kBlockWords<float>)};
      Near next_results{reinterpret_cast<const char*>(results + 32 * 32)};
      multiply_blocks<float, true>(count, P == Product::forward ? packed : now, P == Product::forward ? now : packed, results, from_c,
                                   [&]() __attribute__((always_inline)) {
                                     next_block.fetch<kStepLines<float>>();
                                     next_results.fetch<64 / kSpan / kBlockSteps<float> + 1>();
                                     for (due += count * 16; due >= steps; due -= steps) weights.convert(1);
                                     ahead();
                                   });
    }
    weights.convert(count * 16);
    std::uint32_t* const free = now;
    now = then;
    then = free;
  }
}

// How a product of M rows and so many columns is cut into items: runs of panels of 32 columns in groups of tiles of 32 rows.
class ItemCut {
 public:
  // The least cost, in products of blocks: every group of tiles converts the weights, which is half hidden behind products, every run of
  // panels packs the rows, which is not. Fewer than four tiles are done before memory brings the weights, so groups are no smaller.
  // As many items for every thread.
  ItemCut(std::size_t M, std::size_t columns, std::size_t threads)
      : tiles_((M + 31) / 32), panels_((columns + 31) / 32), groups_(1), runs_(panels_) {
    constexpr double convert = 0.5, pack = 4;
    constexpr std::size_t near = (1024 << 10) / (32 * 32 * sizeof(float));  // results that stay in L2
    double least = 1e300;
    for (std::size_t groups = 1; groups == 1 || 4 * groups <= tiles_; ++groups) {
      const std::size_t most = (tiles_ + groups - 1) / groups, room = near / most;
      if (room == 0) continue;
      std::size_t runs = (panels_ + room - 1) / room;
      while (groups * runs % threads != 0 && runs < panels_) ++runs;
      const double t = static_cast<double>(most), p = static_cast<double>((panels_ + runs - 1) / runs);
      const double cost = static_cast<double>((groups * runs + threads - 1) / threads) * (t * p + convert * p + pack * t);
      if (cost < least) groups_ = groups, runs_ = runs, least = cost;
    }
  }

  struct Item {
    std::size_t tile, tiles, panel, panels;  // first and how many
  };
  std::size_t items() const { return groups_ * runs_; }
  Item item(std::size_t i) const {
    const std::size_t group = i / runs_, run = i % runs_, t0 = tiles_ * group / groups_, p0 = panels_ * run / runs_;
    return {t0, tiles_ * (group + 1) / groups_ - t0, p0, panels_ * (run + 1) / runs_ - p0};
  }
  // Tiles of results of an item, and words that multiply_item works in.
  std::size_t most_results() const { return most_tiles() * ((panels_ + runs_ - 1) / runs_); }
  std::size_t work_words() const { return (2 + most_tiles()) * kSpan * kBlockWords<float>; }

 private:
  std::size_t most_tiles() const { return (tiles_ + groups_ - 1) / groups_; }
  std::size_t tiles_, panels_, groups_, runs_;
};

// The results of an item, c (panel, c_tiles, 32, 32) = (from_c: c +) the product of W and `rows` (M, length), `stride` apart: a tile of
// the forward product holds rows m of columns n, one of the input gradient rows k of columns m. `work` has work_words() words.
template <Product P>
static void multiply_item(const ItemCut::Item& item, std::size_t M, std::size_t length, std::size_t K, const float* rows, std::size_t stride,
                          const float* w, std::uint32_t* work, float* c, std::size_t c_tiles, bool from_c) {
  std::uint32_t* const packed = work + 2 * kSpan * kBlockWords<float>;
  const std::size_t blocks = (length + 31) / 32, m0 = 32 * item.tile;
  for (std::size_t b = 0; b < blocks; b += kSpan) {
    const std::size_t count = blocks - b < kSpan ? blocks - b : kSpan;
    for (std::size_t i = 0; i < item.tiles * count; ++i) {
      const std::size_t m = m0 + 32 * (i / count), first = 32 * (b + i % count);
      const auto pack = P == Product::forward ? pack_lines : pack_turned;
      pack(M - m, length - first, rows + m * stride + first, stride, packed + i * kBlockWords<float>);
    }
    // The steps share the fetching of what will be packed next.
    constexpr std::size_t lines = 32 * kSpan * sizeof(float) / 64;
    const std::size_t steps = item.panels * count * kBlockSteps<float>, share = (32 * lines + steps - 1) / steps;
    const char* const next = reinterpret_cast<const char*>(rows + m0 * stride + 32 * (b + count));
    const std::size_t all = (M - m0 < 32 * item.tiles ? M - m0 : 32 * item.tiles) * lines;
    std::size_t line = b + count < blocks ? 0 : all;
    multiply_span<P>(w, K, item.panel, item.panel + item.panels, b, count, item.tiles, packed, work, c, c_tiles, from_c || b > 0,
                     [&]() __attribute__((always_inline)) {
                       for (const std::size_t end = line + share < all ? line + share : all; line < end; ++line)
                         __builtin_prefetch(next + line / lines * stride * sizeof(float) + line % lines * 64, 0, 2);
                     });
  }
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
