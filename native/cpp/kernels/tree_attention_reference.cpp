// The tile functions of tree_attention_tiles.h as loops a reader can check against the formula. The only path for float64.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attention_exp2.h"
#include "kernels/tree_attention_tiles.h"

namespace grpo {
namespace {

// acc + sum_i a(i) b(i) as one chain; bf16 takes each pair (2i, 2i+1) later element first, as dot instructions do.
template <class T, class A, class B>
compute_t<T> chain(compute_t<T> acc, std::size_t n, A a, B b) {
  if (sizeof(T) != 2) {
    for (std::size_t i = 0; i < n; ++i) acc = std::fma(a(i), b(i), acc);
    return acc;
  }
  for (std::size_t i = 0; i < n; i += 2) {
    if (i + 1 < n) acc = std::fma(a(i + 1), b(i + 1), acc);
    acc = std::fma(a(i), b(i), acc);
  }
  return acc;
}

template <class T>
compute_t<T> rounded(compute_t<T> value) {
  T stored;
  store(stored, value);
  return load(stored);
}

template <class C>
C tree_sum(const C* lanes) {
  C t[16];
  for (int i = 0; i < 16; ++i) t[i] = lanes[i];
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) t[i] = t[i] + t[i + step];
  return t[0];
}

template <class T>
void forward(const ForwardTile<T>& t) {
  using C = compute_t<T>;
  for (std::size_t r = 0; r < t.rows; ++r) {
    const std::ptrdiff_t own = t.own ? t.own[r] : 0;
    const T *q = t.q + r * t.padded, *k = t.k + own, *v = t.v + own;
    const std::size_t n = static_cast<std::size_t>(t.visible[r]);
    C s[kBlockKeys], p[kBlockKeys] = {};
    C top = -std::numeric_limits<C>::infinity();
    for (std::size_t j = 0; j < n; ++j) {
      s[j] = chain<T>(C(0), t.dim, [&](std::size_t d) { return load(q[d]); },
                      [&](std::size_t d) { return load(key_at(k, t.padded, j, d)); });
      if (s[j] > top) top = s[j];
    }
    top = std::max(top * t.scale, t.max[r]);
    const C correction = exp2_own(t.max[r] - top);
    for (std::size_t j = 0; j < n; ++j) p[j] = exp2_own(std::fma(s[j], t.scale, -top));
    for (std::size_t i = 0; i < 16; ++i)
      t.sum[r * 16 + i] = std::fma(t.sum[r * 16 + i], correction, (p[i] + p[16 + i]) + (p[32 + i] + p[48 + i]));
    for (std::size_t d = 0; d < t.dim; ++d)
      t.acc[r * t.padded + d] =
          chain<T>(t.acc[r * t.padded + d] * correction, n, [&](std::size_t j) { return rounded<T>(p[j]); },
                   [&](std::size_t j) { return load(value_at(v, t.padded, j, d)); });
    t.max[r] = top;
  }
}

template <class T>
void finish(std::size_t dim, compute_t<T> max, const compute_t<T>* sum, const compute_t<T>* acc, T* out, compute_t<T>* stats) {
  using C = compute_t<T>;
  const C inverse = C(1) / tree_sum(sum);
  // + 0 makes a negative zero positive: its sign would depend on the masked keys behind it.
  for (std::size_t d = 0; d < dim; ++d) store(out[d], acc[d] * inverse + C(0));
  if (stats) {
    stats[0] = max;
    stats[1] = inverse;
  }
}

template <class T>
compute_t<T> dot(std::size_t dim, const T* a, const T* b) {
  compute_t<T> lanes[16] = {};
  for (std::size_t d = 0; d < dim; ++d) lanes[d % 16] = std::fma(load(a[d]), load(b[d]), lanes[d % 16]);
  return tree_sum(lanes);
}

// p and ds of tile row r against the block, rounded to T; zero where masked.
template <class T>
void row_gradients(const BackwardTile<T>& t, std::size_t r, compute_t<T>* p, compute_t<T>* ds) {
  using C = compute_t<T>;
  const T *q = t.q + r * t.padded, *dout = t.dout + r * t.padded;
  for (std::size_t j = 0; j < kBlockKeys; ++j) p[j] = ds[j] = 0;
  for (std::size_t j = 0; j < static_cast<std::size_t>(t.visible[r]); ++j) {
    const C s = chain<T>(C(0), t.dim, [&](std::size_t d) { return load(q[d]); },
                         [&](std::size_t d) { return load(key_at(t.k, t.padded, j, d)); });
    const C dp = chain<T>(C(0), t.dim, [&](std::size_t d) { return load(dout[d]); },
                          [&](std::size_t d) { return load(key_at(t.v_columns, t.padded, j, d)); });
    const C exact = exp2_own(std::fma(s, t.scale, -t.stats[2 * r])) * t.stats[2 * r + 1];
    p[j] = rounded<T>(exact);
    ds[j] = rounded<T>(exact * (dp - t.delta[r]) * t.gradient_scale);
  }
}

template <class T>
void backward(const BackwardTile<T>& t) {
  compute_t<T> p[kBlockKeys], ds[kBlockKeys];
  for (std::size_t r = 0; r < t.rows; ++r) {
    row_gradients(t, r, p, ds);
    for (std::size_t d = 0; t.dq && d < t.dim; ++d)
      t.dq[r * t.padded + d] = chain<T>(t.dq[r * t.padded + d], static_cast<std::size_t>(t.visible[r]), [&](std::size_t j) { return ds[j]; },
                                        [&](std::size_t j) { return load(value_at(t.k_rows, t.padded, j, d)); });
    for (std::size_t j = 0; t.dk && j < static_cast<std::size_t>(t.visible[r]); ++j)
      for (std::size_t d = 0; d < t.dim; ++d) {
        const std::size_t at = j * t.padded + d;
        t.dv[at] = std::fma(p[j], load(t.dout[r * t.padded + d]), t.dv[at]);
        t.dk[at] = std::fma(ds[j], load(t.q[r * t.padded + d]), t.dk[at]);
      }
  }
}

template <class T>
void round_to(std::size_t n, const compute_t<T>* from, T* to, bool accumulate) {
  for (std::size_t i = 0; i < n; ++i) store(to[i], accumulate ? load(to[i]) + from[i] : from[i]);
}

}  // namespace

template <class T>
AttentionTiles<T> reference_tiles() {
  return {forward<T>, finish<T>, dot<T>, backward<T>, round_to<T>};
}
template AttentionTiles<float> reference_tiles<float>();
template AttentionTiles<bf16> reference_tiles<bf16>();
template AttentionTiles<double> reference_tiles<double>();

}  // namespace grpo
