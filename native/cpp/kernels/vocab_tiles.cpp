// The inner loops of vocab_tiles.h as plain loops, the form that the fast ones must equal.
#include "kernels/vocab_tiles.h"

namespace grpo {
namespace {

constexpr std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// w[n,k] of packed panels.
template <class T>
compute_t<T> weight(const T* w, std::size_t cols, std::size_t n, std::size_t k) {
  return load(w[n / kPanel * panel_elements<T>(cols) + panel_index<T>(k, n % kPanel)]);
}

// Index that a chain over `length` elements takes at step i: bf16 takes the odd element of each pair first, as the dot instruction does.
template <class T>
std::size_t chain_index(std::size_t i, std::size_t length) {
  return sizeof(T) == 2 && (i | 1) < length ? i ^ 1 : i;
}

template <class T>
void logits(std::size_t rows, std::size_t cols, const T* h, const T* w, std::size_t panels, compute_t<T>* out, std::size_t ldo) {
  using A = compute_t<T>;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t n = 0; n < panels * kPanel; ++n) {
      A acc = 0;
      for (std::size_t i = 0; i < cols; ++i) {
        const std::size_t k = chain_index<T>(i, cols);
        acc = std::fma(A(load(h[r * cols + k])), weight(w, cols, n, k), acc);
      }
      out[r * ldo + n] = acc;
    }
}

template <class A>
void scale(A* l, std::size_t n, A temperature) {
  for (std::size_t j = 0; j < n; ++j) l[j] = l[j] / temperature;
  for (std::size_t j = n; j < round_up(n, 16); ++j) l[j] = kMasked<A>;
}

template <class A, class F>
A lane_tree(A* lanes, F&& combine) {
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) lanes[i] = combine(lanes[i], lanes[i + step]);
  return lanes[0];
}

template <class A>
TileStats<A> stats(const A* l, std::size_t n) {
  const auto larger = [](A a, A b) { return a > b ? a : b; };
  const auto plus = [](A a, A b) { return a + b; };
  const std::size_t padded = round_up(n, 16);
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
A weights(const A* l, std::size_t n, A max, A threshold, A floor, A* out) {
  A sum[16] = {};
  for (std::size_t j = 0; j < round_up(n, 16); ++j) {
    const A w = exp_own(l[j] - max);
    out[j] = l[j] < threshold || w < floor ? A(0) : w;
    sum[j % 16] = sum[j % 16] + out[j];
  }
  return lane_tree(sum, [](A a, A b) { return a + b; });
}

template <class A>
void buckets(const A* l, std::size_t n, A max, A per_unit, A last, std::uint32_t* out) {
  for (std::size_t j = 0; j < round_up(n, 16); ++j) {
    const A b = (max - l[j]) * per_unit;
    out[j] = static_cast<std::uint32_t>(std::nearbyint(b < last ? b : last));
  }
}

template <class T>
std::size_t backward_scratch(std::size_t rows, std::size_t cols) {
  using A = compute_t<T>;
  return rows * (kVocabTile * (sizeof(A) + sizeof(T)) + cols * sizeof(A));
}

template <class T>
void backward(ThreadPool& pool, const BackwardChunk<T>& c) {
  using A = compute_t<T>;
  const Head& head = *c.head;
  const std::size_t cols = head.cols, rows = c.rows;
  const T* h = static_cast<const T*>(head.h) + c.begin * cols;
  A* logit = static_cast<A*>(c.scratch);
  A* chain = logit + rows * kVocabTile;
  T* dl = reinterpret_cast<T*>(chain + rows * cols);
  for (std::size_t i = 0; i < rows * cols; ++i) chain[i] = 0;
  for (std::size_t t = 0; t < head.tiles(); ++t) {
    const std::size_t first = t * kVocabTile, columns = head.columns(t), work = rows * cols * columns;
    const T* w = static_cast<const T*>(head.w) + first / kPanel * panel_elements<T>(cols);
    maybe_parallel(pool, work, rows, [&](std::size_t r, int) {
      const std::size_t row = c.begin + r;
      const A temperature = row_temperature<A>(head, row), dentropy = c.dentropy ? c.dentropy[row] : A(0);
      A* l = logit + r * kVocabTile;
      logits(1, cols, h + r * cols, w, panel_count(columns), l, kVocabTile);
      scale(l, columns, temperature);
      for (std::size_t j = 0; j < columns; ++j) {
        const A logp = (l[j] - c.stats[2 * row]) - c.stats[2 * row + 1];
        l[j] = (A(0) - exp_own(logp)) * std::fma(dentropy, logp + c.entropy[row], c.dsum[row]);
      }
      if (c.dlogp)
        for (std::uint32_t i = c.start[t]; i < c.start[t + 1]; ++i) {
          const std::uint32_t p = c.index[i];
          if (static_cast<std::size_t>(c.pairs->rows[p]) == row) l[c.pairs->ids[p] - first] += c.dlogp[p];
        }
      for (std::size_t j = 0; j < columns; ++j) store(dl[r * kVocabTile + j], l[j] / temperature);
      for (std::size_t k = 0; k < cols; ++k) {
        A acc = chain[r * cols + k];
        for (std::size_t i = 0; i < columns; ++i) {
          const std::size_t n = chain_index<T>(i, columns);
          acc = std::fma(A(load(dl[r * kVocabTile + n])), weight(w, cols, n, k), acc);
        }
        chain[r * cols + k] = acc;
      }
    });
    if (!c.dw) continue;
    maybe_parallel(pool, work, panel_count(columns) * kPanel, [&](std::size_t n, int) {
      A* dw = c.dw + (first + n) / kPanel * kPanel * cols + n % kPanel;
      for (std::size_t k = 0; k < cols; ++k) {
        A acc = c.continue_dw ? dw[k * kPanel] : A(0);
        for (std::size_t r = 0; r < rows && n < columns; ++r) acc = std::fma(A(load(dl[r * kVocabTile + n])), A(load(h[r * cols + k])), acc);
        dw[k * kPanel] = acc;
      }
    });
  }
  for (std::size_t i = 0; i < rows * cols; ++i) store(c.dh[i], c.accumulate ? A(load(c.dh[i])) + chain[i] : chain[i]);
}

}  // namespace

template <class T>
TileOps<T> reference_tile_ops() {
  using A = compute_t<T>;
  return {logits<T>, scale<A>, stats<A>, weights<A>, buckets<A>, backward<T>, backward_scratch<T>};
}
template TileOps<float> reference_tile_ops<float>();
template TileOps<bf16> reference_tile_ops<bf16>();
template TileOps<double> reference_tile_ops<double>();

}  // namespace grpo
