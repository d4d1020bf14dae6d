#pragma once
// What the log-prob kernels and the sampler share: the inner loops on one vocabulary tile, written once per instruction set, and the
// walk over all tiles.
#include <cstring>
#include <limits>

#include "core/math.h"
#include "kernels/linear_logprob.h"
#include "kernels/panels.h"

namespace grpo {

// max, sum exp(l - max) and sum exp(l - max) * (l - max) of a row over one tile.
template <class A>
struct TileStats {
  A max, sum, weighted;
};

template <class A>
struct RowStats {
  A max, log_sum, entropy;
};

// Masked logits: finite, so that no product with an exact zero is a NaN.
template <class A>
constexpr A kMasked = std::numeric_limits<A>::lowest();

// Rows [begin, begin + rows) of a backward pass, at most kBackwardRows of them.
template <class T>
struct BackwardChunk {
  using A = compute_t<T>;
  const Head* head;
  std::size_t begin, rows;
  // Of all rows of the head: saved statistics (2 per row), entropy, sum of dlogp over the row's pairs, dentropy or null.
  const A *stats, *entropy, *dsum, *dentropy;
  // Of all pairs: their dlogp, or null, and their indices by tile: index[start[t] .. start[t + 1]), in pair order.
  const Pairs* pairs;
  const A* dlogp;
  const std::uint32_t *start, *index;
  // First row's input gradient; whole weight gradient or null, and whether it goes on from its stored value.
  T* dh;
  bool accumulate;
  A* dw;
  bool continue_dw;
  PendingRows* pending;
  void* scratch;
};

// Bounds the scratch whatever the number of rows. Even, for the pairs of bf16.
constexpr std::size_t kBackwardRows = 512;

// Inner loops on one tile. Every form of them gives the same bits, but those of AMX where linear_logprob.h says so.
template <class T>
struct TileOps {
  using A = compute_t<T>;
  // out[r*ldo + n] = sum_k h[r*cols + k] w[n,k] for the columns n of `panels` panels.
  void (*logits)(std::size_t rows, std::size_t cols, const T* h, const T* w, std::size_t panels, A* out, std::size_t ldo);
  // Divides the first `n` logits by the temperature and masks on to the next multiple of 16.
  void (*scale)(A* logits, std::size_t n, A temperature);
  // Statistics of scaled logits: 16 lanes (column j in lane j % 16), then the lane tree.
  TileStats<A> (*stats)(const A* logits, std::size_t n);
  // weights[j] = exp(logits[j] - max) where logits[j] >= threshold and the weight >= floor, else 0, for j < n rounded up to 16.
  // Their sum: 16 lanes, then the lane tree.
  A (*weights)(const A* logits, std::size_t n, A max, A threshold, A floor, A* weights);
  // out[j] = (max - logits[j]) * per_unit, at most `last`, rounded to nearest, for j < n rounded up to 16.
  void (*buckets)(const A* logits, std::size_t n, A max, A per_unit, A last, std::uint32_t* out);
  // The backward pass of a chunk of rows, all tiles in order, and its scratch in bytes.
  void (*backward)(ThreadPool& pool, const BackwardChunk<T>& chunk);
  std::size_t (*backward_scratch)(std::size_t rows, std::size_t cols);
};

// The plain loops, for every type; the fast ones of each instruction set for float and bf16.
template <class T>
TileOps<T> reference_tile_ops();
TileOps<float> tile_ops_avx2_f32();
TileOps<bf16> tile_ops_avx2_bf16();
TileOps<float> tile_ops_avx512_f32();
TileOps<bf16> tile_ops_avx512_bf16();
TileOps<bf16> tile_ops_avx512bf16_bf16();
TileOps<float> tile_ops_amx_f32();
TileOps<bf16> tile_ops_amx_bf16();
TileOps<float> tile_ops_neon_f32();
TileOps<bf16> tile_ops_neon_bf16();

// Most rows that one call of TileOps::logits handles in the forward walk; they and their logits stay in the cache.
constexpr std::size_t kRowBlock = 96;

// Below this many multiply-adds a call stays on one thread.
constexpr std::size_t kForkWork = 1u << 18;

template <class F>
void maybe_parallel(ThreadPool& pool, std::size_t work, std::size_t items, F&& body) {
  if (work < kForkWork) {
    for (std::size_t i = 0; i < items; ++i) body(i, 0);
  } else {
    parallel_for(pool, items, static_cast<F&&>(body));
  }
}

template <class A>
A row_temperature(const Head& head, std::size_t r) {
  const A t = head.temperatures ? static_cast<A>(head.temperatures[r]) : static_cast<A>(head.temperature);
  return t == 0 ? A(1) : t;
}

// Statistics of a row from those of its tiles, in tile order. The sums are doubles, the factors exp() of type A.
template <class A>
RowStats<A> fold_tiles(const TileStats<A>* tile, std::size_t tiles) {
  A max = tile[0].max;
  double sum = tile[0].sum, weighted = tile[0].weighted;
  for (std::size_t t = 1; t < tiles; ++t) {
    const A shift = tile[t].max - max;
    if (shift > 0) {
      const double f = exp_own(-shift);
      weighted = f * (weighted - sum * shift) + tile[t].weighted;
      sum = f * sum + tile[t].sum;
      max = tile[t].max;
    } else {
      const double f = exp_own(shift);
      weighted += f * (tile[t].weighted + tile[t].sum * static_cast<double>(shift));
      sum += f * tile[t].sum;
    }
  }
  if (weighted != weighted) sum = weighted;  // a NaN among the logits must not pass unseen
  const A log_sum = log_own(static_cast<A>(sum));
  return {max, log_sum, static_cast<A>(static_cast<double>(log_sum) - weighted / sum)};
}

// Walks all tiles for rows [begin, end): logits into `kept` (end - begin, tiles * 512), or into thread scratch where it is
// null; statistics into partials[(r - begin) * tiles + t]; then visit(t, r0, r1, logits of r0 with row stride ld).
template <class T, class Visit>
void walk_tiles(ThreadPool& pool, const TileOps<T>& ops, const Head& head, std::size_t begin, std::size_t end, compute_t<T>* kept,
                TileStats<compute_t<T>>* partials, Visit&& visit) {
  using A = compute_t<T>;
  const std::size_t rows = end - begin, tiles = head.tiles(), threads = static_cast<std::size_t>(pool.size());
  // Smaller blocks where the tiles are too few for the threads.
  const std::size_t cuts = (threads + tiles - 1) / tiles, share = rows == 0 ? 1 : (rows + cuts - 1) / cuts;
  const std::size_t block_rows = share < kRowBlock ? share : kRowBlock, blocks = (rows + block_rows - 1) / block_rows;
  const std::size_t stride = panel_elements<T>(head.cols), work = rows * head.cols * head.limit;
  if (!kept)
    for (int t = 0; t < pool.size(); ++t) pool.scratch(t, block_rows * kVocabTile * sizeof(A));
  maybe_parallel(pool, work, tiles * blocks, [&](std::size_t item, int thread) {
    const std::size_t t = item / blocks, r0 = begin + item % blocks * block_rows;
    const std::size_t r1 = r0 + block_rows < end ? r0 + block_rows : end;
    const std::size_t columns = head.columns(t);
    const std::size_t ld = kept ? tiles * kVocabTile : kVocabTile;
    A* out = kept ? kept + (r0 - begin) * ld + t * kVocabTile : static_cast<A*>(pool.scratch(thread, 0));
    ops.logits(r1 - r0, head.cols, static_cast<const T*>(head.h) + r0 * head.cols,
               static_cast<const T*>(head.w) + t * (kVocabTile / kPanel) * stride, panel_count(columns), out, ld);
    for (std::size_t r = r0; r < r1; ++r) {
      A* row = out + (r - r0) * ld;
      ops.scale(row, columns, row_temperature<A>(head, r));
      partials[(r - begin) * tiles + t] = ops.stats(row, columns);
    }
    visit(t, r0, r1, out, ld);
  });
}

// The kernels of the table, from the inner loops of one instruction set.
template <class T>
void logprob_forward(ThreadPool&, const TileOps<T>&, const Head&, const Pairs&, void* partials, void* stats, void* logp, void* entropy);
template <class T>
void logprob_backward(ThreadPool&, const TileOps<T>&, const Head&, const Pairs&, const void* stats, const void* entropy,
                      const void* dlogp, const void* dentropy, void* dh, bool accumulate, void* dw, bool continue_dw, PendingRows* pending, void* scratch);
template <class T>
void sample_rows(ThreadPool&, const TileOps<T>&, const Head&, const Draw&, void* scratch, std::int32_t* ids, float* logprob, float* entropy);
template <class T>
std::size_t sample_scratch_bytes(const Head&);

}  // namespace grpo
