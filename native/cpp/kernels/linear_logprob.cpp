#include "kernels/linear_logprob.h"

#include <vector>

#include "kernels/vocab_tiles.h"

namespace grpo {
namespace {

// w[n,k] of packed panels.
template <class T>
compute_t<T> panel_at(const T* w, std::size_t cols, std::size_t n, std::size_t k) {
  const T* panel = w + n / kPanel * panel_stride<T>(cols);
  return sizeof(T) == 2 ? load(panel[(k / 2 * kPanel + n % kPanel) * 2 + k % 2]) : load(panel[k * kPanel + n % kPanel]);
}

// One chain over k; bf16 takes the odd element of each pair first, as the dot instruction does.
template <class T>
void logits(std::size_t rows, std::size_t cols, const T* h, const T* w, std::size_t panels, compute_t<T>* out, std::size_t ldo) {
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t n = 0; n < panels * kPanel; ++n) {
      compute_t<T> acc = 0;
      for (std::size_t i = 0; i < cols; ++i) {
        std::size_t k = i;
        if (sizeof(T) == 2 && (i | 1) < cols) k = i ^ 1;
        acc = std::fma(compute_t<T>(load(h[r * cols + k])), panel_at(w, cols, n, k), acc);
      }
      out[r * ldo + n] = acc;
    }
}

template <class A, class F>
A lane_tree(A* lanes, F&& combine) {
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) lanes[i] = combine(lanes[i], lanes[i + step]);
  return lanes[0];
}

template <class A>
TileStats<A> stats(A* l, std::size_t n, A temperature) {
  const auto larger = [](A a, A b) { return a > b ? a : b; };
  const auto plus = [](A a, A b) { return a + b; };
  const std::size_t padded = round_up(n, 16);
  for (std::size_t j = 0; j < n; ++j) l[j] = l[j] / temperature;
  for (std::size_t j = n; j < padded; ++j) l[j] = kMasked<A>;
  A top[16], sum[16] = {}, weighted[16] = {};
  for (A& v : top) v = kMasked<A>;
  for (std::size_t j = 0; j < padded; ++j) top[j % 16] = larger(top[j % 16], l[j]);
  const A max = lane_tree(top, larger);
  for (std::size_t j = 0; j < padded; ++j) {
    const A d = l[j] - max, e = exp_own(d);
    sum[j % 16] = sum[j % 16] + e;
    weighted[j % 16] = std::fma(e, d, weighted[j % 16]);
  }
  return {max, lane_tree(sum, plus), lane_tree(weighted, plus)};
}

template <class A>
void weights(const A* l, std::size_t n, A max, A* out) {
  for (std::size_t j = 0; j < round_up(n, 16); ++j) out[j] = exp_own(l[j] - max);
}

template <class A>
void dlogits(A* l, std::size_t n, const RowStats<A>& row, A dsum, A dentropy) {
  for (std::size_t j = 0; j < round_up(n, 16); ++j) {
    const A logp = (l[j] - row.max) - row.log_sum;
    l[j] = -exp_own(logp) * std::fma(dentropy, logp + row.entropy, dsum);
  }
}

// Pair indices by vocabulary tile, in pair order within a tile.
struct PairBuckets {
  std::vector<std::uint32_t> start, index;

  PairBuckets(const Pairs& pairs, std::size_t limit, std::size_t tiles) : start(tiles + 2), index(pairs.count) {
    const auto bucket = [&](std::size_t p) {
      const auto id = static_cast<std::size_t>(pairs.ids[p]);
      return id < limit ? id / kVocabTile : tiles;
    };
    for (std::size_t p = 0; p < pairs.count; ++p) ++start[bucket(p) + 1];
    for (std::size_t t = 0; t <= tiles; ++t) start[t + 1] += start[t];
    std::vector<std::uint32_t> next(start.begin(), start.end() - 1);
    for (std::size_t p = 0; p < pairs.count; ++p) index[next[bucket(p)]++] = static_cast<std::uint32_t>(p);
  }
};

// Rows of one backward pass: bounds the scratch, whatever the number of rows.
constexpr std::size_t kBackwardRows = 1024;

template <class T>
std::size_t backward_scratch(std::size_t rows, std::size_t cols) {
  using A = compute_t<T>;
  const std::size_t chunk = rows < kBackwardRows ? rows : kBackwardRows;
  return chunk * (kVocabTile * (sizeof(A) + sizeof(T)) + cols * sizeof(A));
}

// Plain loops, one tile at a time for all rows of a chunk.
template <class T>
void backward(ThreadPool& pool, const Head& head, const Pairs& pairs, const void* stats_in, const void* entropy_in, const void* dlogp_in,
              const void* dentropy_in, void* dh_out, bool accumulate, void* dw_out, void* scratch) {
  using A = compute_t<T>;
  const TileOps<T> ops = reference_tile_ops<T>();
  const std::size_t cols = head.cols, tiles = head.tiles();
  const A* saved = static_cast<const A*>(stats_in);
  const A* entropy = static_cast<const A*>(entropy_in);
  const A* dlogp = static_cast<const A*>(dlogp_in);
  const A* dentropy = static_cast<const A*>(dentropy_in);
  const PairBuckets buckets(pairs, head.limit, tiles);
  std::vector<A> dsum(head.rows);
  if (dlogp)
    for (std::size_t p = 0; p < pairs.count; ++p)
      if (static_cast<std::size_t>(pairs.ids[p]) < head.limit) dsum[pairs.rows[p]] += dlogp[p];

  for (std::size_t begin = 0; begin < head.rows; begin += kBackwardRows) {
    const std::size_t rows = head.rows - begin < kBackwardRows ? head.rows - begin : kBackwardRows;
    const T* h = static_cast<const T*>(head.h) + begin * cols;
    A* l = static_cast<A*>(scratch);
    A* chain = l + rows * kVocabTile;
    T* dl = reinterpret_cast<T*>(chain + rows * cols);
    for (std::size_t i = 0; i < rows * cols; ++i) chain[i] = 0;
    for (std::size_t t = 0; t < tiles; ++t) {
      const std::size_t first = t * kVocabTile;
      const std::size_t columns = head.limit - first < kVocabTile ? head.limit - first : kVocabTile;
      const T* w = static_cast<const T*>(head.w) + first / kPanel * panel_stride<T>(cols);
      maybe_parallel(pool, rows * cols * columns, rows, [&](std::size_t r, int) {
        A* row = l + r * kVocabTile;
        const std::size_t at = begin + r;
        const A temperature = row_temperature<A>(head, at);
        ops.logits(1, cols, h + r * cols, w, (columns + kPanel - 1) / kPanel, row, kVocabTile);
        ops.stats(row, columns, temperature);
        ops.dlogits(row, columns, {saved[2 * at], saved[2 * at + 1], entropy[at]}, dsum[at], dentropy ? dentropy[at] : A(0));
        if (dlogp)
          for (std::uint32_t i = buckets.start[t]; i < buckets.start[t + 1]; ++i) {
            const std::uint32_t p = buckets.index[i];
            if (static_cast<std::size_t>(pairs.rows[p]) == at) row[pairs.ids[p] - first] += dlogp[p];
          }
        for (std::size_t n = 0; n < columns; ++n) store(dl[r * kVocabTile + n], row[n] / temperature);
        for (std::size_t n = columns; n < kVocabTile; ++n) store(dl[r * kVocabTile + n], A(0));
        for (std::size_t k = 0; k < cols; ++k) {
          A acc = chain[r * cols + k];
          for (std::size_t i = 0; i < round_up(columns, 2); ++i) {
            const std::size_t n = sizeof(T) == 2 ? i ^ 1 : i;
            if (n < columns) acc = std::fma(A(load(dl[r * kVocabTile + n])), panel_at(w, cols, n, k), acc);
          }
          chain[r * cols + k] = acc;
        }
      });
      if (dw_out)
        maybe_parallel(pool, rows * cols * columns, columns, [&](std::size_t n, int) {
          A* dw = static_cast<A*>(dw_out) + (first + n) / kPanel * kPanel * cols + n % kPanel;
          for (std::size_t k = 0; k < cols; ++k) {
            A acc = dw[k * kPanel];
            for (std::size_t r = 0; r < rows; ++r) acc = std::fma(A(load(dl[r * kVocabTile + n])), A(load(h[r * cols + k])), acc);
            dw[k * kPanel] = acc;
          }
        });
    }
    T* dh = static_cast<T*>(dh_out) + begin * cols;
    for (std::size_t i = 0; i < rows * cols; ++i) store(dh[i], accumulate ? A(load(dh[i])) + chain[i] : chain[i]);
  }
}

template <class T>
void forward_reference(ThreadPool& pool, const Head& head, const Pairs& pairs, void* partials, void* stats, void* logp, void* entropy) {
  logprob_forward(pool, reference_tile_ops<T>(), head, pairs, partials, stats, logp, entropy);
}

template <class T>
void sample_reference(ThreadPool& pool, const Head& head, const Draw& draw, void* scratch, std::int32_t* ids, float* logprob, float* entropy) {
  sample_rows(pool, reference_tile_ops<T>(), head, draw, scratch, ids, logprob, entropy);
}

}  // namespace

template <class T>
TileOps<T> reference_tile_ops() {
  using A = compute_t<T>;
  return {logits<T>, stats<A>, weights<A>, dlogits<A>};
}

template <class T>
void logprob_forward(ThreadPool& pool, const TileOps<T>& ops, const Head& head, const Pairs& pairs, void* partials_out, void* stats_out,
                     void* logp_out, void* entropy_out) {
  using A = compute_t<T>;
  const std::size_t tiles = head.tiles();
  auto* partials = static_cast<TileStats<A>*>(partials_out);
  A* stats = static_cast<A*>(stats_out);
  A* logp = static_cast<A*>(logp_out);
  A* entropy = static_cast<A*>(entropy_out);
  const PairBuckets buckets(pairs, head.limit, tiles);
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

#define GRPO_INSTANTIATE(T)                                                                                                    \
  template TileOps<T> reference_tile_ops<T>();                                                                                 \
  template void logprob_forward<T>(ThreadPool&, const TileOps<T>&, const Head&, const Pairs&, void*, void*, void*, void*);
GRPO_INSTANTIATE(float)
GRPO_INSTANTIATE(bf16)
GRPO_INSTANTIATE(double)
#undef GRPO_INSTANTIATE

LogprobKernels logprob_kernels(Isa) {
  return {
      {forward_reference<float>, forward_reference<bf16>, forward_reference<double>},
      {backward<float>, backward<bf16>, backward<double>},
      {backward_scratch<float>, backward_scratch<bf16>, backward_scratch<double>},
      {sample_reference<float>, sample_reference<bf16>, sample_reference<double>},
      {sample_scratch_bytes<float>, sample_scratch_bytes<bf16>, sample_scratch_bytes<double>},
  };
}

}  // namespace grpo
