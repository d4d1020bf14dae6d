#pragma once
// Blocks of 32 by 32 numbers for the tile registers of AMX (amx_tiles.h), and products of float32 in them: every number is the sum of
// three bf16, x = x0 + x1 + x2, each the nearest to what the earlier leave (halves go up), which is exact: 3 times 8 bits. A product
// takes six of the nine pairs of parts, block after block of 32 elements of the reduction:
//   c = c + x0 y2 + x1 y1 + x0 y1 + x2 y0 + x1 y0 + x0 y0,  each a tdpbf16ps (amx_tiles.h)
// What is left out is at most 2^-23 of |x y|, mostly far less and of either sign; c is rounded 6 times in 32 elements, not 32 times: the
// errors are below those of a chain (tests/native/linear-paths.test.ts). Infinity and numbers within 2^-9 of the largest make NaN; parts
// below 2^-126 count as zero. Include from files named *_amx.cpp only.
// Source: Henry, Tang, Heinecke 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations".
#include "kernels/gemm_pack_simd.h"
#include "kernels/partial_simd.h"
#include "kernels/registers_simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

// Columns K of a weight from which its float32 gradients are made of parts; for narrower ones it would not pay.
constexpr std::size_t kSplitWidth = 320;

// A block of 32 elements of the reduction, by 32 rows of A or columns of B: 16 lines of 32 words, of float32 three times, one for each
// part. Of A, line r is row r beside row r + 16, 16 pairs each; of B, line i is pair i of the 32 columns.
constexpr std::size_t kPartWords = kAmxSteps * 32;
template <class T> constexpr std::size_t kBlockWords = (sizeof(T) == 4 ? 3 : 1) * kPartWords;

// The first part of what `x` still holds, as a float whose low half is zero; the rest stays in x.
GRPO_INLINE __m512i take_part(v16& x) {
  const __m512i half = _mm512_set1_epi32(0x8000), mask = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  const __m512i part = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x.v), half), mask);
  x.v = _mm512_sub_ps(x.v, _mm512_castsi512_ps(part));
  return part;
}

// Parts of two vectors as words: the first in the low halves.
GRPO_INLINE void split_pairs(v16 low, v16 high, std::uint32_t* to) {
#pragma GCC unroll 3
  for (std::size_t part = 0; part < 3; ++part) {
    const __m512i a = take_part(low), b = take_part(high);
    _mm512_store_si512(to + part * kPartWords, _mm512_or_si512(_mm512_srli_epi32(a, 16), b));
  }
}

// Parts of 32 numbers in a row, as 16 pairs.
GRPO_INLINE void split_row(v16 x, v16 y, std::uint32_t* to) {
  const __m512i odd = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25, 23, 21, 19, 17, 15,
                                       13, 11, 9, 7, 5, 3, 1);
#pragma GCC unroll 3
  for (std::size_t part = 0; part < 3; ++part) {
    const __m512i a = take_part(x), b = take_part(y);
    _mm512_store_si512(to + part * kPartWords, _mm512_permutex2var_epi16(a, odd, b));
  }
}

// The first n of 32 numbers, zeros after them.
struct Line {
  v16 x, y;
};
GRPO_INLINE Line load_line(const float* p, std::size_t n) {
  return {n >= 16 ? load16(p) : n > 0 ? load_first(p, n) : zero16(), n >= 32 ? load16(p + 16) : n > 16 ? load_first(p + 16, n - 16) : zero16()};
}

// Where row r of a block of A starts.
constexpr std::size_t row_at(std::size_t r) { return r % 16 * 32 + r / 16 * 16; }

// A block of A from 32 lines of 32 numbers, `stride` apart: of the first `rows` lines the first `columns`, zeros elsewhere.
static void pack_lines(std::size_t rows, std::size_t columns, const float* from, std::size_t stride, std::uint32_t* to) {
  for (std::size_t r = 0; r < 32; ++r) {
    const Line line = load_line(from + r * stride, r < rows ? columns : 0);
    split_row(line.x, line.y, to + row_at(r));
  }
}

// A part of a block of A as one of B whose columns are its rows, or the other way round.
GRPO_INLINE void turn_part(const std::uint32_t* from, std::uint32_t* to) {
  for (std::size_t half = 0; half < 32; half += 16)
    transpose_block(reinterpret_cast<const float*>(from) + half, reinterpret_cast<float*>(to) + half, 16);
}

// A block of B whose columns are 32 lines of 32 numbers; as pack_lines.
static void pack_turned(std::size_t rows, std::size_t columns, const float* from, std::size_t stride, std::uint32_t* to) {
  alignas(64) std::uint32_t block[kBlockWords<float>];
  pack_lines(rows, columns, from, stride, block);
  for (std::size_t part = 0; part < kBlockWords<float>; part += kPartWords) turn_part(block + part, to + part);
}

// Products of tiles of A in a block.
template <class T> constexpr std::size_t kBlockSteps = sizeof(T) == 4 ? 6 : 1;

// What comes from L2 next, asked into L1 line by line.
struct Near {
  const char* at;

  template <int LINES>
  __attribute__((always_inline)) void fetch() {
#pragma GCC unroll 32
    for (int line = 0; line < LINES; ++line) __builtin_prefetch(at + 64 * line, 0, 3);
    at += 64 * LINES;
  }
};
// Lines in a step that make a block.
template <class T> constexpr int kStepLines = kBlockWords<T> / 16 / kBlockSteps<T>;

// c (rows, 32) continues over `blocks` blocks, rows 16 and on if BOTH; meanwhile() is called kBlockSteps times in each.
template <class T, bool BOTH, class F>
GRPO_INLINE void multiply_blocks(std::size_t blocks, const std::uint32_t* a, const std::uint32_t* b, float* c, bool from_c, F&& meanwhile) {
  start_tiles<BOTH>(c, 32, from_c);
  const auto load_b = [&](std::size_t part) __attribute__((always_inline)) {
    _tile_loadd(6, b + part * kPartWords, 128);
    _tile_loadd(7, b + part * kPartWords + 16, 128);
  };
  const auto step = [&](std::size_t part) __attribute__((always_inline)) {
    _tile_loadd(4, a + part * kPartWords, 128);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (BOTH) {
      _tile_loadd(5, a + part * kPartWords + 16, 128);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    meanwhile();
  };
  for (const std::uint32_t* const end = a + blocks * kBlockWords<T>; a < end; a += kBlockWords<T>, b += kBlockWords<T>) {
    if (sizeof(T) == 4) {
      load_b(2);
      step(0);
      load_b(1);
      step(1);
      step(0);
      load_b(0);
      step(2);
      step(1);
      step(0);
    } else {
      load_b(0);
      step(0);
    }
  }
  finish_tiles<BOTH>(c, 32);
}

// A tile of 32 by 32 results the other way round; `to` may be `from`.
static void turn_tile(const float* from, float* to) {
  alignas(64) float c[32 * 32];
  for (std::size_t corner = 0; corner < 4; ++corner)
    transpose_block(from + corner / 2 * 16 * 32 + corner % 2 * 16, c + corner % 2 * 16 * 32 + corner / 2 * 16, 16);
  std::memcpy(to, c, sizeof(c));
}

// The products of a weight W (N, K), in panels, that multiply_item computes: y = x W^T, sums over k, and dx = dy W, sums over n. The forward
// product serves backward passes, which need not have the bits of the pass they go back through.
enum class Product { forward, input_gradient };

constexpr std::size_t kSpan = 2;  // blocks of the reduction that all panels meet before the next ones

// Blocks of W. Panel p of the result has the columns n (forward) or k (input gradient) from 32 p on; with 32 elements of the reduction it needs
// 4 KB of memory, 32 lines k of 32 numbers n: as B of the forward product, whose pairs are lines, or as A of the input gradient, whose
// rows are lines. Lines after K are zero.
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

// c (panel, c_tiles, 32, 32) of panels [p0, p1) = (from_c: c +) the product over the blocks [b0, b0 + count) of the reduction, kSpan at most;
// `rows` (tiles, count) are blocks of the other factor. Each panel meets all tiles; meanwhile the next one is converted, into `work`,
// which has room for two spans, and ahead() is called kBlockSteps times a block.
template <Product P, class F>
static void multiply_span(const float* w, std::size_t K, std::size_t p0, std::size_t p1, std::size_t b0, std::size_t count, std::size_t tiles,
                          const std::uint32_t* rows, std::uint32_t* work, float* c, std::size_t c_tiles, bool from_c, F&& ahead) {
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
      Near next_block{reinterpret_cast<const char*>(packed + kBlockWords<float>)}, next_results{reinterpret_cast<const char*>(results + 32 * 32)};
      multiply_blocks<float, true>(count, P == Product::forward ? packed : now, P == Product::forward ? now : packed,
                                   results, from_c, [&]() __attribute__((always_inline)) {
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

// The results of an item, c (panel, c_tiles, 32, 32) = (from_c: c +) the product of W and `rows` (M, length), `stride` apart: a tile of the
// forward product holds rows m of columns n, one of the input gradient rows k of columns m. `work` has work_words() words.
template <Product P>
static void multiply_item(const ItemCut::Item& item, std::size_t M, std::size_t length, std::size_t K, const float* rows, std::size_t stride,
                          const float* w, std::uint32_t* work, float* c, std::size_t c_tiles, bool from_c) {
  std::uint32_t* const packed = work + 2 * kSpan * kBlockWords<float>;
  const std::size_t blocks = (length + 31) / 32, m0 = 32 * item.tile, count_rows = M - m0 < 32 * item.tiles ? M - m0 : 32 * item.tiles;
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
    std::size_t line = b + count < blocks ? 0 : count_rows * lines;
    multiply_span<P>(w, K, item.panel, item.panel + item.panels, b, count, item.tiles, packed, work, c, c_tiles, from_c || b > 0,
                     [&]() __attribute__((always_inline)) {
                       for (const std::size_t end = line + share < count_rows * lines ? line + share : count_rows * lines; line < end; ++line)
                         __builtin_prefetch(next + line / lines * stride * sizeof(float) + line % lines * 64, 0, 2);
                     });
  }
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
