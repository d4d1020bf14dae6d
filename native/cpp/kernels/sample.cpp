// Sampling from the LM head. Order of the filters is that of Hugging Face's generate: temperature, top-k, top-p on the
// renormalised top-k, min-p. Each keeps a prefix of the ids sorted by (logit descending, id ascending), so what is kept is the
// shortest of the prefixes, and a draw walks it in order of id.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/philox.h"
#include "kernels/vocab_tiles.h"

namespace grpo {
namespace {

// Rows whose logits are held at once.
constexpr std::size_t kSampleRows = 64;
// Multiply-adds that take as long as a draw from its tile.
constexpr std::size_t kDraw = 1 << 14;

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

// Ids that a restriction keeps: logit above the threshold, or equal to it up to id `last_tie`; weight exp(logit - max) at least
// `floor`.
template <class A>
struct Cut {
  A threshold;
  std::size_t last_tie;
  A floor;
};

template <class A>
struct Candidate {
  A logit;
  std::uint32_t id;
  bool operator<(const Candidate& o) const { return logit > o.logit || (logit == o.logit && id < o.id); }
};

// Working memory of one thread.
template <class A>
struct Workspace {
  std::vector<A> maxima;
  std::vector<Candidate<A>> candidates;
  std::vector<double> bucket_mass;
  std::vector<double> tile_mass;
};

// The cut that keeps the first `count` of `sorted`.
template <class A>
Cut<A> cut_after(const std::vector<Candidate<A>>& sorted, std::size_t count, A floor) {
  return {sorted[count - 1].logit, sorted[count - 1].id, floor};
}

// Shortest prefix of the sorted candidates whose mass, added to `below`, reaches `wanted`; all of them when they fall short.
template <class A>
std::size_t nucleus(const std::vector<Candidate<A>>& sorted, A max, double below, double wanted) {
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    below += exp_own(sorted[i].logit - max);
    if (below >= wanted) return i + 1;
  }
  return sorted.size();
}

template <class A>
Cut<A> cut_top_k(const Row<A>& row, const Restriction& r, A floor, Workspace<A>& work) {
  // At least k ids reach the k-th largest of the tiles' maxima.
  A bound = kMasked<A>;
  if (r.top_k <= row.tiles) {
    work.maxima.resize(row.tiles);
    for (std::size_t t = 0; t < row.tiles; ++t) work.maxima[t] = row.tile[t].max;
    const auto at = work.maxima.begin() + static_cast<std::ptrdiff_t>(r.top_k - 1);
    std::nth_element(work.maxima.begin(), at, work.maxima.end(), [](A a, A b) { return a > b; });
    bound = *at;
  }
  auto& list = work.candidates;
  list.clear();
  for (std::size_t t = 0; t < row.tiles; ++t) {
    if (row.tile[t].max < bound) continue;
    const std::size_t first = t * kVocabTile, end = first + row.columns(t);
    for (std::size_t v = first; v < end; ++v)
      if (row.logits[v] >= bound) list.push_back({row.logits[v], static_cast<std::uint32_t>(v)});
  }
  if (r.top_k < list.size()) {
    std::nth_element(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(r.top_k), list.end());
    list.resize(r.top_k);
  }
  std::sort(list.begin(), list.end());
  std::size_t keep = list.size();
  if (r.top_p < 1) {
    double mass = 0;
    for (const Candidate<A>& c : list) mass += exp_own(c.logit - row.stats.max);
    keep = nucleus(list, row.stats.max, 0, r.top_p * mass);
  }
  return cut_after(list, keep, floor);
}

// Buckets of equal width of the distance max - logit; the last also takes what lies beyond. Every bucket has as many sums as
// turns, so that one addition need not wait for the other; all of them stay in L1.
constexpr std::size_t kBuckets = 2048, kTurns = 2;

// The mass of every bucket finds the bucket where the nucleus ends; only that one is sorted.
template <class T>
Cut<compute_t<T>> cut_top_p(const TileOps<T>& ops, const Row<compute_t<T>>& row, double top_p, compute_t<T> floor,
                            Workspace<compute_t<T>>& work) {
  using A = compute_t<T>;
  const A max = row.stats.max;
  double total = 0;
  for (std::size_t t = 0; t < row.tiles; ++t) total += static_cast<double>(row.tile[t].sum) * exp_own(row.tile[t].max - max);
  // Ids lighter than this share of the rest are never reached: all of them together are lighter than the rest.
  const A light = static_cast<A>((1 - top_p) * total / static_cast<double>(row.limit) * 0.99);
  const A per_unit = static_cast<A>(kBuckets / -std::log(std::max(static_cast<double>(light), 1e-37)));
  std::uint32_t buckets[kVocabTile];
  // Buckets of tile t, or false when all its ids are too light.
  const auto fill = [&](std::size_t t) {
    if (exp_own(row.tile[t].max - max) < light) return false;
    ops.buckets(row.logits + t * kVocabTile, row.columns(t), max, per_unit, A(kBuckets - 1), buckets);
    return true;
  };
  const double wanted = top_p * total;
  work.bucket_mass.assign(kBuckets * kTurns, 0);
  double* const mass = work.bucket_mass.data();
  A weights[kVocabTile];
  for (std::size_t t = 0; t < row.tiles; ++t) {
    if (!fill(t)) continue;
    const std::size_t n = row.columns(t);
    ops.weights(row.logits + t * kVocabTile, n, max, kMasked<A>, light, weights);
    for (std::size_t j = 0; j < n; ++j) mass[buckets[j] * kTurns + j % kTurns] += weights[j];
  }
  double below = 0;
  std::uint32_t end = 0;
  for (;; ++end) {
    double sum = 0;
    for (std::size_t i = 0; i < kTurns; ++i) sum += mass[end * kTurns + i];
    if (below + sum >= wanted || end + 1 == kBuckets) break;
    below += sum;
  }
  auto& list = work.candidates;
  list.clear();
  for (std::size_t t = 0; t < row.tiles; ++t) {
    if (!fill(t)) continue;
    const A* l = row.logits + t * kVocabTile;
    for (std::size_t j = 0; j < row.columns(t); ++j)
      if (buckets[j] == end) list.push_back({l[j], static_cast<std::uint32_t>(t * kVocabTile + j)});
  }
  if (list.empty()) return {kMasked<A>, row.limit, floor};
  std::sort(list.begin(), list.end());
  return cut_after(list, nucleus(list, max, below, wanted), floor);
}

// Weights of tile t that the cut keeps, and their sum.
template <class T>
compute_t<T> kept_weights(const TileOps<T>& ops, const Row<compute_t<T>>& row, const Cut<compute_t<T>>& cut, std::size_t t,
                          compute_t<T>* weights) {
  using A = compute_t<T>;
  const std::size_t first = t * kVocabTile, n = row.columns(t);
  const A* l = row.logits + first;
  const A above = std::nextafter(cut.threshold, std::numeric_limits<A>::infinity());
  const bool ties = first <= cut.last_tie, all_ties = first + n <= cut.last_tie + 1;
  if (!ties || all_ties) return ops.weights(l, n, row.stats.max, ties ? cut.threshold : above, cut.floor, weights);
  // The tile in which the ties end.
  A with_ties[kVocabTile];
  ops.weights(l, n, row.stats.max, cut.threshold, cut.floor, with_ties);
  A sum = ops.weights(l, n, row.stats.max, above, cut.floor, weights);
  for (std::size_t j = 0; first + j <= cut.last_tie; ++j) {
    if (l[j] != cut.threshold) continue;
    weights[j] = with_ties[j];
    sum += with_ties[j];
  }
  return sum;
}

// Inverse CDF over the ids that the cut keeps (null: all): the tile by the tiles' sums, then the id within it.
template <class T>
std::size_t draw_id(const TileOps<T>& ops, const Row<compute_t<T>>& row, const Cut<compute_t<T>>* cut, double u,
                    std::vector<double>& tile_mass) {
  using A = compute_t<T>;
  A weights[kVocabTile];
  tile_mass.resize(row.tiles);
  double total = 0;
  std::size_t last = 0;
  for (std::size_t t = 0; t < row.tiles; ++t) {
    const A top = exp_own(row.tile[t].max - row.stats.max);
    if (!cut) tile_mass[t] = static_cast<double>(row.tile[t].sum) * top;
    else if (row.tile[t].max < cut->threshold || top < cut->floor) tile_mass[t] = 0;
    else tile_mass[t] = kept_weights(ops, row, *cut, t, weights);
    if (tile_mass[t] > 0) last = t;
    total += tile_mass[t];
  }
  const double target = u * total;
  double below = 0;
  std::size_t t = 0;
  while (t < last && below + tile_mass[t] <= target) below += tile_mass[t++];
  kept_weights(ops, row, cut ? *cut : Cut<A>{kMasked<A>, row.limit, 0}, t, weights);
  // Rounding may leave the target just above the last id.
  std::size_t id = t * kVocabTile;
  for (std::size_t j = 0; j < row.columns(t); ++j) {
    if (weights[j] == 0) continue;
    id = t * kVocabTile + j;
    below += weights[j];
    if (below > target) break;
  }
  return id;
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
  const A floor = restriction.min_p > 0 ? static_cast<A>(restriction.min_p) : A(0);
  std::vector<Workspace<A>> workspaces(static_cast<std::size_t>(pool.size()));
  for (std::size_t begin = 0; begin < head.rows; begin += kSampleRows) {
    const std::size_t end = std::min(begin + kSampleRows, head.rows);
    A* logits = static_cast<A*>(scratch);
    auto* partials = reinterpret_cast<TileStats<A>*>(logits + (end - begin) * tiles * kVocabTile);
    walk_tiles<T>(pool, ops, head, begin, end, logits, partials, [](std::size_t, std::size_t, std::size_t, const A*, std::size_t) {});
    const std::size_t work_of_row = tiles * kVocabTile * (restricted ? 16 : 1) + kDraw;
    maybe_parallel(pool, (end - begin) * work_of_row, end - begin, [&](std::size_t i, int thread) {
      const std::size_t r = begin + i;
      const TileStats<A>* tile = partials + i * tiles;
      const Row<A> row{logits + i * tiles * kVocabTile, tile, tiles, head.limit, fold_tiles(tile, tiles)};
      const bool cold = head.temperatures ? head.temperatures[r] == 0 : head.temperature == 0;
      std::size_t id;
      // A row with a NaN has no distribution; its log-prob tells.
      if (draw.greedy || cold || row.stats.log_sum != row.stats.log_sum) {
        id = argmax(row);
      } else {
        const double u = philox.uniform(draw.counters + 4 * r);
        Workspace<A>& work = workspaces[static_cast<std::size_t>(thread)];
        Cut<A> cut{kMasked<A>, head.limit, floor};
        if (restriction.top_k > 0 && restriction.top_k < head.limit) cut = cut_top_k(row, restriction, floor, work);
        else if (restriction.top_p < 1) cut = cut_top_p(ops, row, restriction.top_p, floor, work);
        id = draw_id(ops, row, restricted ? &cut : nullptr, u, work.tile_mass);
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
