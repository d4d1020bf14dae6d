// Sampling from the LM head. Order of the filters is that of Hugging Face's generate: temperature, top-k, top-p on the
// renormalised top-k, min-p. Each keeps a prefix of the ids sorted by (logit descending, id ascending), so the kept set is the
// shortest of the prefixes.
#include <algorithm>
#include <vector>

#include "core/philox.h"
#include "kernels/vocab_tiles.h"

namespace grpo {
namespace {

// Rows whose logits are held at once.
constexpr std::size_t kSampleRows = 64;

template <class A>
struct Row {
  const A* logits;  // tiles * 512, masked beyond `limit` up to a multiple of 16
  const TileStats<A>* tile;
  std::size_t tiles, limit;
  RowStats<A> stats;

  std::size_t columns(std::size_t t) const { return std::min(limit - t * kVocabTile, kVocabTile); }
};

template <class A>
std::size_t argmax(const Row<A>& row) {
  for (std::size_t t = 0; t < row.tiles; ++t)
    if (row.tile[t].max == row.stats.max)
      for (std::size_t v = t * kVocabTile; v < row.limit; ++v)
        if (row.logits[v] == row.stats.max) return v;
  return 0;
}

// Inverse CDF over all ids: the tile by the tiles' sums, then the id within it.
template <class T>
std::size_t draw_any(const TileOps<T>& ops, const Row<compute_t<T>>& row, double u) {
  using A = compute_t<T>;
  double total = 0;
  for (std::size_t t = 0; t < row.tiles; ++t) total += static_cast<double>(row.tile[t].sum) * exp_own(row.tile[t].max - row.stats.max);
  const double target = u * total;
  double below = 0;
  std::size_t last = argmax(row);
  A weights[kVocabTile];
  for (std::size_t t = 0; t < row.tiles; ++t) {
    const double mass = static_cast<double>(row.tile[t].sum) * exp_own(row.tile[t].max - row.stats.max);
    if (below + mass > target || t + 1 == row.tiles) {
      const std::size_t first = t * kVocabTile, n = row.columns(t);
      ops.weights(row.logits + first, n, row.stats.max, weights);
      for (std::size_t j = 0; j < n; ++j) {
        if (weights[j] == 0) continue;
        last = first + j;
        below += weights[j];
        if (below > target) return last;
      }
      return last;  // the rounding of the sums left the target just above the last id
    }
    below += mass;
  }
  return last;
}

template <class A>
struct Candidate {
  A logit;
  std::uint32_t id;
  bool operator<(const Candidate& o) const { return logit > o.logit || (logit == o.logit && id < o.id); }
};

// All ids with logit >= bound, in ascending order.
template <class A>
void collect(const Row<A>& row, A bound, std::vector<Candidate<A>>& out) {
  out.clear();
  for (std::size_t t = 0; t < row.tiles; ++t) {
    if (row.tile[t].max < bound) continue;
    const std::size_t first = t * kVocabTile, n = row.columns(t);
    for (std::size_t v = first; v < first + n; ++v)
      if (row.logits[v] >= bound) out.push_back({row.logits[v], static_cast<std::uint32_t>(v)});
  }
}

// A bound that at least k ids reach: the k-th largest of the tiles' maxima.
template <class A>
A top_k_bound(const Row<A>& row, std::size_t k, std::vector<A>& maxima) {
  if (k > row.tiles) return kMasked<A>;
  maxima.resize(row.tiles);
  for (std::size_t t = 0; t < row.tiles; ++t) maxima[t] = row.tile[t].max;
  std::nth_element(maxima.begin(), maxima.begin() + static_cast<std::ptrdiff_t>(k - 1), maxima.end(), std::greater<A>());
  return maxima[k - 1];
}

// Shortest prefix of the sorted candidates whose mass reaches `mass`; all of them when they fall short.
template <class A>
std::size_t nucleus(const std::vector<Candidate<A>>& sorted, A max, double mass) {
  double sum = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sum += exp_own(sorted[i].logit - max);
    if (sum >= mass) return i + 1;
  }
  return sorted.size();
}

template <class A>
double mass_of(const std::vector<Candidate<A>>& list, A max) {
  double sum = 0;
  for (const Candidate<A>& c : list) sum += exp_own(c.logit - max);
  return sum;
}

// The ids the restriction leaves, sorted by (logit descending, id ascending).
template <class A>
void restrict_row(const Row<A>& row, const Restriction& r, std::vector<A>& maxima, std::vector<Candidate<A>>& kept) {
  const bool top_k = r.top_k > 0 && r.top_k < row.limit, top_p = r.top_p < 1;
  const A max = row.stats.max;
  const A floor = r.min_p > 0 ? max + log_own(static_cast<A>(r.min_p)) - A(1e-3) : kMasked<A>;
  const auto order = [&](std::size_t keep) {
    if (keep < kept.size()) {
      std::nth_element(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(keep), kept.end());
      kept.resize(keep);
    }
    std::sort(kept.begin(), kept.end());
  };
  if (top_k) {
    collect(row, top_k_bound(row, r.top_k, maxima), kept);
    order(r.top_k);
    if (top_p) kept.resize(nucleus(kept, max, r.top_p * mass_of(kept, max)));
  } else if (top_p) {
    // Nearly always a few ids near the top hold the mass; the bound is lowered until they do.
    const double total = static_cast<double>(exp_own(row.stats.log_sum)), wanted = r.top_p * total;
    for (A depth = 8;; depth *= 2) {
      const bool all = depth > 64;
      collect(row, all ? kMasked<A> : max - depth, kept);
      if (all || mass_of(kept, max) >= wanted * (1 + 1e-6)) break;
    }
    order(kept.size());
    kept.resize(nucleus(kept, max, wanted));
  } else {
    collect(row, floor, kept);
    order(kept.size());
  }
  if (r.min_p > 0)
    while (kept.size() > 1 && exp_own(kept.back().logit - max) < static_cast<A>(r.min_p)) kept.pop_back();
}

// Inverse CDF over the kept ids in ascending order of id.
template <class A>
std::size_t draw_kept(std::vector<Candidate<A>>& kept, A max, double u) {
  std::sort(kept.begin(), kept.end(), [](const Candidate<A>& a, const Candidate<A>& b) { return a.id < b.id; });
  const double target = u * mass_of(kept, max);
  double below = 0;
  std::size_t last = kept.front().id;
  for (const Candidate<A>& c : kept) {
    const A weight = exp_own(c.logit - max);
    if (weight == 0) continue;
    last = c.id;
    below += weight;
    if (below > target) break;
  }
  return last;
}

}  // namespace

template <class T>
std::size_t sample_scratch_bytes(const Head& head) {
  const std::size_t rows = std::min(head.rows, kSampleRows);
  return rows * head.tiles() * (kVocabTile * sizeof(compute_t<T>) + sizeof(TileStats<compute_t<T>>));
}

template <class T>
void sample_rows(ThreadPool& pool, const TileOps<T>& ops, const Head& head, const Draw& draw, void* scratch, std::int32_t* ids,
                 float* logprob, float* entropy) {
  using A = compute_t<T>;
  const std::size_t tiles = head.tiles();
  const Restriction& restriction = draw.restriction;
  const bool restricted = restriction.top_k > 0 || restriction.top_p < 1 || restriction.min_p > 0;
  const Philox philox{{draw.key[0], draw.key[1]}};
  std::vector<std::vector<A>> maxima(static_cast<std::size_t>(pool.size()));
  std::vector<std::vector<Candidate<A>>> kept(static_cast<std::size_t>(pool.size()));
  for (std::size_t begin = 0; begin < head.rows; begin += kSampleRows) {
    const std::size_t end = std::min(begin + kSampleRows, head.rows);
    A* logits = static_cast<A*>(scratch);
    auto* partials = reinterpret_cast<TileStats<A>*>(logits + (end - begin) * tiles * kVocabTile);
    walk_tiles<T>(pool, ops, head, begin, end, logits, partials, [](std::size_t, std::size_t, std::size_t, const A*, std::size_t) {});
    maybe_parallel(pool, (end - begin) * tiles * kVocabTile, end - begin, [&](std::size_t i, int thread) {
      const std::size_t r = begin + i;
      const TileStats<A>* tile = partials + i * tiles;
      const Row<A> row{logits + i * tiles * kVocabTile, tile, tiles, head.limit, fold_tiles(tile, tiles)};
      const bool cold = head.temperatures ? head.temperatures[r] == 0 : head.temperature == 0;
      std::size_t id;
      if (draw.greedy || cold) {
        id = argmax(row);
      } else {
        const double u = philox.uniform(draw.counters + 4 * r);
        if (restricted) {
          auto& list = kept[static_cast<std::size_t>(thread)];
          restrict_row(row, restriction, maxima[static_cast<std::size_t>(thread)], list);
          id = draw_kept(list, row.stats.max, u);
        } else {
          id = draw_any(ops, row, u);
        }
      }
      ids[r] = static_cast<std::int32_t>(id);
      logprob[r] = static_cast<float>((row.logits[id] - row.stats.max) - row.stats.log_sum);
      entropy[r] = static_cast<float>(row.stats.entropy);
    });
  }
}

#define GRPO_INSTANTIATE(T)                                                                                                     \
  template std::size_t sample_scratch_bytes<T>(const Head&);                                                                    \
  template void sample_rows<T>(ThreadPool&, const TileOps<T>&, const Head&, const Draw&, void*, std::int32_t*, float*, float*);
GRPO_INSTANTIATE(float)
GRPO_INSTANTIATE(bf16)
GRPO_INSTANTIATE(double)
#undef GRPO_INSTANTIATE

}  // namespace grpo
