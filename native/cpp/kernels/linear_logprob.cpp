#include "kernels/linear_logprob.h"

#include <algorithm>
#include <vector>

#include "kernels/vocab_tiles.h"

namespace grpo {
namespace {

// Pair indices by vocabulary tile, in pair order within a tile; pairs with id >= limit come last.
struct PairBuckets {
  std::vector<std::uint32_t> start, index;

  PairBuckets(const Pairs& pairs, const Head& head) : start(head.tiles() + 2), index(pairs.count) {
    const std::size_t tiles = head.tiles();
    const auto bucket = [&](std::size_t p) {
      const auto id = static_cast<std::size_t>(pairs.ids[p]);
      return id < head.limit ? id / kVocabTile : tiles;
    };
    for (std::size_t p = 0; p < pairs.count; ++p) ++start[bucket(p) + 1];
    for (std::size_t t = 0; t <= tiles; ++t) start[t + 1] += start[t];
    std::vector<std::uint32_t> next(start.begin(), start.end() - 1);
    for (std::size_t p = 0; p < pairs.count; ++p) index[next[bucket(p)]++] = static_cast<std::uint32_t>(p);
  }
};

}  // namespace

template <class T>
void logprob_forward(ThreadPool& pool, const TileOps<T>& ops, const Head& head, const Pairs& pairs, void* partials_out, void* stats_out,
                     void* logp_out, void* entropy_out) {
  using A = compute_t<T>;
  const std::size_t tiles = head.tiles();
  auto* partials = static_cast<TileStats<A>*>(partials_out);
  A* stats = static_cast<A*>(stats_out);
  A* logp = static_cast<A*>(logp_out);
  A* entropy = static_cast<A*>(entropy_out);
  const PairBuckets buckets(pairs, head);
  walk_tiles<T>(pool, ops, head, 0, head.rows, nullptr, partials, [&](std::size_t t, std::size_t r0, std::size_t r1, const A* l, std::size_t ld) {
    for (std::uint32_t i = buckets.start[t]; i < buckets.start[t + 1]; ++i) {
      const std::uint32_t p = buckets.index[i];
      const auto r = static_cast<std::size_t>(pairs.rows[p]);
      if (r >= r0 && r < r1) logp[p] = l[(r - r0) * ld + pairs.ids[p] - t * kVocabTile];
    }
  });
  maybe_parallel(pool, head.rows * tiles * 64, head.rows, [&](std::size_t r, int) {
    const RowStats<A> row = fold_tiles(partials + r * tiles, tiles);
    stats[2 * r] = row.max;
    stats[2 * r + 1] = row.log_sum;
    entropy[r] = row.entropy;
  });
  for (std::size_t p = 0; p < pairs.count; ++p) {
    const A* row = stats + 2 * pairs.rows[p];
    logp[p] = static_cast<std::size_t>(pairs.ids[p]) < head.limit ? (logp[p] - row[0]) - row[1] : -std::numeric_limits<A>::infinity();
  }
}

template <class T>
void logprob_backward(ThreadPool& pool, const TileOps<T>& ops, const Head& head, const Pairs& pairs, const void* stats, const void* entropy,
                      const void* dlogp_in, const void* dentropy, void* dh, bool accumulate, void* dw, bool continue_dw, PendingRows* pending,
                      void* scratch) {
  using A = compute_t<T>;
  const A* dlogp = static_cast<const A*>(dlogp_in);
  const PairBuckets buckets(pairs, head);
  std::vector<A> dsum(head.rows);
  if (dlogp)
    for (std::size_t p = 0; p < pairs.count; ++p)
      if (static_cast<std::size_t>(pairs.ids[p]) < head.limit) dsum[static_cast<std::size_t>(pairs.rows[p])] += dlogp[p];
  if (dw && !continue_dw) {
    // What no tile writes: columns past the limit, or all of them where there are no rows.
    const std::size_t written = head.rows > 0 ? panel_count(head.limit) : 0, panel = kPanel * head.cols;
    std::fill_n(static_cast<A*>(dw) + written * panel, (panel_count(head.vocab) - written) * panel, A{0});
  }
  const bool close = pending && pending->close;
  for (std::size_t begin = 0; begin < head.rows; begin += kBackwardRows) {
    const std::size_t rows = head.rows - begin < kBackwardRows ? head.rows - begin : kBackwardRows;
    if (pending) pending->close = close && begin + rows == head.rows;
    ops.backward(pool, {&head, begin, rows, static_cast<const A*>(stats), static_cast<const A*>(entropy), dsum.data(),
                        static_cast<const A*>(dentropy), &pairs, dlogp, buckets.start.data(), buckets.index.data(),
                        static_cast<T*>(dh) + begin * head.cols, accumulate, static_cast<A*>(dw), continue_dw || begin > 0, pending, scratch});
  }
}

namespace {

// The table's functions over the inner loops that OPS returns.
template <class T, TileOps<T> (*OPS)()>
struct Kernels {
  static void forward(ThreadPool& pool, const Head& head, const Pairs& pairs, void* partials, void* stats, void* logp, void* entropy) {
    logprob_forward(pool, OPS(), head, pairs, partials, stats, logp, entropy);
  }
  static void backward(ThreadPool& pool, const Head& head, const Pairs& pairs, const void* stats, const void* entropy, const void* dlogp,
                       const void* dentropy, void* dh, bool accumulate, void* dw, bool continue_dw, PendingRows* pending,
                      void* scratch) {
    logprob_backward(pool, OPS(), head, pairs, stats, entropy, dlogp, dentropy, dh, accumulate, dw, continue_dw, pending, scratch);
  }
  static std::size_t backward_scratch(std::size_t rows, std::size_t cols) {
    return OPS().backward_scratch(rows < kBackwardRows ? rows : kBackwardRows, cols);
  }
  static void sample(ThreadPool& pool, const Head& head, const Draw& draw, void* scratch, std::int32_t* ids, float* logprob, float* entropy) {
    sample_rows(pool, OPS(), head, draw, scratch, ids, logprob, entropy);
  }
};

template <TileOps<float> (*F32)(), TileOps<bf16> (*BF16)()>
LogprobKernels table() {
  using S = Kernels<float, F32>;
  using H = Kernels<bf16, BF16>;
  using D = Kernels<double, reference_tile_ops<double>>;
  return {
      {S::forward, H::forward, D::forward},
      {S::backward, H::backward, D::backward},
      {S::backward_scratch, H::backward_scratch, D::backward_scratch},
      {S::sample, H::sample, D::sample},
      {sample_scratch_bytes<float>, sample_scratch_bytes<bf16>, sample_scratch_bytes<double>},
  };
}

}  // namespace

LogprobKernels logprob_kernels(Isa isa) {
  switch (isa) {
#if defined(GRPO_HAVE_AVX2)
    case Isa::avx2: return table<tile_ops_avx2_f32, tile_ops_avx2_bf16>();
    case Isa::avx512: return table<tile_ops_avx512_f32, tile_ops_avx512_bf16>();
    case Isa::avx512bf16: return table<tile_ops_avx512_f32, tile_ops_avx512bf16_bf16>();
#endif
#if defined(GRPO_HAVE_AMX)
    case Isa::amx: return table<tile_ops_amx_f32, tile_ops_amx_bf16>();
#endif
#if defined(GRPO_HAVE_NEON)
    case Isa::neon: return table<tile_ops_neon_f32, tile_ops_neon_bf16>();
#endif
    default: return table<reference_tile_ops<float>, reference_tile_ops<bf16>>();
  }
}

}  // namespace grpo
