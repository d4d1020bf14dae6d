#pragma once
// The tile functions of tree_attention_tiles.h on 16 lanes. A lane is a key (scores) or a dimension (outputs).
#include "kernels/attention_exp2.h"
#include "kernels/attention_gemm_simd.h"
#include "kernels/partial_simd.h"
#include "kernels/tree_attention_tiles.h"

namespace grpo {
namespace GRPO_ISA_NS {

constexpr std::size_t kMaxDim = 256;
constexpr std::size_t kKeyRows = 96;  // tile rows whose p and ds are held at once by backward

alignas(64) static const float kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

template <class T> struct WordOf { using type = float; };
template <> struct WordOf<bf16> { using type = std::uint32_t; };
template <class T> using word_t = typename WordOf<T>::type;
template <class T> constexpr std::size_t kPerWord = sizeof(word_t<T>) / sizeof(T);
template <class T>
GRPO_INLINE const word_t<T>* words(const T* p) {
  return reinterpret_cast<const word_t<T>*>(p);
}

// p and ds as the next product takes them. The instruction flushes subnormal numbers, as the product that reads them does.
GRPO_INLINE void store_factor(float* p, v16 x) { store16(p, x); }
GRPO_INLINE void store_factor(bf16* p, v16 x) {
#if defined(__AVX512BF16__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)_mm512_cvtneps_pbh(x.v));
#else
  store_bf16(p, x);
#endif
}

GRPO_INLINE float max_of(v16 x) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(x.v);
#else
  return reduce_max16(x);
#endif
}

// 2^x; the scalar twin is exp2_own in attention_exp2.h. The order of the operands of max16 lets NaN through.
GRPO_INLINE v16 exp2_16(v16 x) {
  const v16 low = set16(kExp2Low), clamped = max16(low, x);
  const v16 n = round16(clamped), r = sub16(clamped, n);
  v16 p = fma16(set16(kExp2[4]), r, set16(kExp2[3]));
  p = fma16(p, r, set16(kExp2[2]));
  p = fma16(p, r, set16(kExp2[1]));
  p = fma16(p, r, set16(kExp2[0]));
  p = fma16(p, r, set16(1.0f));
#if defined(__AVX512F__)
  return {_mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x.v, low.v, _CMP_NLT_UQ), p.v, n.v)};
#else
  return select_lt16(x, low, zero16(), ldexp16(p, n));
#endif
}

// x where lane + 16 i < visible, else `hidden`.
GRPO_INLINE v16 mask(v16 x, int i, float visible, float hidden) {
  alignas(64) static const float lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return select_lt16(load16(lanes), set16(visible - 16.0f * static_cast<float>(i)), x, set16(hidden));
}

// The product over `count` elements; of an odd number of bf16, what lies in the slot after the last need not be a number.
template <class T>
GRPO_INLINE void product_and_rest(std::size_t rows, std::size_t columns, std::size_t count, Product<word_t<T>> p) {
  constexpr std::size_t per = kPerWord<T>;
  p.steps = count / per;
  product<word_t<T>>(rows, columns, p);
  if constexpr (per == 2) {
    if (count % 2 == 0) return;
    alignas(64) std::uint32_t last[kMaxDim];
    for (std::size_t n = 0; n < columns; ++n) last[n] = p.b[p.steps * p.b_row + n / 32 * p.b_panel + n % 32] & 0xffffu;
    product<std::uint32_t>(rows, columns, {1, p.a + p.steps, p.a_row, 1, last, columns, 32, p.c, p.c_row, kOnes});
  }
}

// The products whose a is read along its rows: c (rows, columns) = (start c, else 0) + the first `count` elements of each row of a times
// b. On AMX in its tiles, where the heads fill them.
template <class T>
GRPO_INLINE void multiply([[maybe_unused]] Registers& registers, [[maybe_unused]] std::size_t dim, std::size_t rows, std::size_t columns,
                          std::size_t count, Product<word_t<T>> p) {
#if defined(__AMX_BF16__)
  if (sizeof(T) == sizeof(bf16) && dim % 32 == 0) {
    if (p.start && p.start != kOnes)
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t n = 0; n < columns; n += 16) store16(p.c + r * p.c_row + n, mul16(load16(p.c + r * p.c_row + n), set16(p.start[r])));
    const auto tiles = rows > 16 ? product_tiles<true> : product_tiles<false>;
    tiles(registers, rows, (columns + 31) / 32 * 32, count, p);
    return;
  }
  // Heads that fill no tile come in as many rows as tiles would take.
  for (; rows > static_cast<std::size_t>(kTileRows); rows -= kTileRows) {
    product_and_rest<T>(kTileRows, columns, count, p);
    p.a += kTileRows * p.a_row;
    p.c += kTileRows * p.c_row;
    if (p.start && p.start != kOnes) p.start += kTileRows;
  }
#endif
  product_and_rest<T>(rows, columns, count, p);
}

// Scores of `rows` tile rows against the first `vectors` x 16 keys of a K-like block: s (rows, 64).
template <class T>
GRPO_INLINE void scores(Registers& registers, std::size_t rows, std::size_t dim, std::size_t padded, int vectors, const T* q, const T* k,
                        float* s, std::ptrdiff_t ahead = 0) {
  constexpr std::size_t per = kPerWord<T>;
  multiply<T>(registers, dim, rows, 16 * static_cast<std::size_t>(vectors), dim,
              {0, words(q), padded / per, 1, words(k), 32, 32 * padded / per, s, kBlockKeys, nullptr,
               ahead / static_cast<std::ptrdiff_t>(per)});
}

// Vectors of 16 keys that hold the first `keys`.
GRPO_INLINE int vectors_of(std::size_t keys) { return static_cast<int>((keys + 15) / 16); }

GRPO_INLINE std::size_t most_visible(const std::int32_t* visible, std::size_t rows) {
  std::int32_t most = 0;
  for (std::size_t r = 0; r < rows; ++r) most = visible[r] > most ? visible[r] : most;
  return static_cast<std::size_t>(most);
}

// The largest visible score of one tile row (64 scores at s), masked ones set to -inf; `full`: all 64 are visible.
template <bool full>
GRPO_INLINE float row_max(float* s, int visible) {
  v16 x[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    if (!full && 16 * i >= visible) {
      x[i] = set16(-__builtin_inff());
    } else {
      x[i] = load16(s + 16 * i);
      if (!full && 16 * i + 16 > visible) x[i] = mask(x[i], i, static_cast<float>(visible), -__builtin_inff());
    }
    if (!full) store16(s + 16 * i, x[i]);
  }
  return max_of(max16(max16(x[0], x[1]), max16(x[2], x[3])));
}

// p = 2^(scale s - top) of the first `vectors` x 16 keys of one tile row; the carried sum continues.
template <class T>
GRPO_INLINE void row_exp(int vectors, const float* s, v16 scale, float top, float factor, float* sum, T* p) {
  v16 x[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    x[i] = zero16();
    if (i < vectors) {
      x[i] = exp2_16(fma16(load16(s + 16 * i), scale, set16(-top)));
      store_factor(p + 16 * i, x[i]);
    }
  }
  store16(sum, fma16(load16(sum), set16(factor), add16(add16(x[0], x[1]), add16(x[2], x[3]))));
}

// Rows of p (rows, 64) times the values of their own blocks, added to acc times factor.
template <class T>
GRPO_INLINE void own_values(Registers& registers, const ForwardTile<T>& t, std::size_t first, std::size_t rows, const T* p,
                            const float* factor) {
  constexpr std::size_t per = kPerWord<T>;
  for (std::size_t r = 0; r < rows;) {
    const std::size_t at = first + r, keys = static_cast<std::size_t>(t.visible[at]);
    const Product<word_t<T>> product{keys / per, words(p + r * kBlockKeys), kBlockKeys / per, 1, words(t.v + t.own[at]), t.padded, 32,
                                     t.acc + at * t.padded, t.padded, factor + r};
    // Rows of as many keys go together, where those are whole words.
    std::size_t n = 1;
    while (keys % per == 0 && n < kOwnRows && r + n < rows && t.visible[at + n] == t.visible[at]) ++n;
    if (n > 1) {
      std::ptrdiff_t from[kOwnRows];
      for (std::size_t i = 0; i < n; ++i) from[i] = (t.own[at + i] - t.own[at]) / static_cast<std::ptrdiff_t>(per);
      product_own(n, product, from);
    } else {
      multiply<T>(registers, t.dim, 1, t.padded, keys, product);
    }
    r += n;
  }
}

template <class T>
static void attention_forward(const ForwardTile<T>& t) {
  constexpr std::size_t per = kPerWord<T>, most = kAttentionRows<T>;
  alignas(64) float s[most * kBlockKeys], factor[(most + 15) / 16 * 16] = {};
  alignas(64) T p[most * kBlockKeys];
  const v16 scale = set16(t.scale);
  Registers registers;
  each_tile(most, t.rows, [&](std::size_t first, std::size_t rows) {
    float* max = t.max + first;
    const std::size_t keys = most_visible(t.visible + first, rows);
    const int vectors = vectors_of(keys);
    const T* q = t.q + first * t.padded;
    const std::ptrdiff_t ahead = first == 0 ? t.next : 0;
    if (!t.own) scores(registers, rows, t.dim, t.padded, vectors, q, t.k, s, ahead);
    for (std::size_t r = 0; t.own && r < rows; ++r)
      scores(registers, 1, t.dim, t.padded, vectors, q + r * t.padded, t.k + t.own[first + r], s + r * kBlockKeys);
    for (std::size_t r = 0; r < rows; ++r) {
      const int visible = t.visible[first + r];
      const float block = (visible == 64 ? row_max<true>(s + r * kBlockKeys, 64) : row_max<false>(s + r * kBlockKeys, visible)) * t.scale;
      const float old = max[r];
      max[r] = old > block ? old : block;
      factor[r] = old - max[r];
    }
    for (std::size_t r = 0; r < rows; r += 16) store16(factor + r, exp2_16(load16(factor + r)));
    for (std::size_t r = 0; r < rows; ++r)
      row_exp(vectors, s + r * kBlockKeys, scale, max[r], factor[r], t.sum + (first + r) * 16, p + r * kBlockKeys);
    if (t.own)
      own_values(registers, t, first, rows, p, factor);
    else
      multiply<T>(registers, t.dim, rows, t.padded, keys,
                  {0, words(p), kBlockKeys / per, 1, words(t.v), t.padded, 32, t.acc + first * t.padded, t.padded, factor,
                   ahead / static_cast<std::ptrdiff_t>(per)});
  });
}

template <class T>
static void attention_finish(std::size_t dim, float max, const float* sum, const float* acc, T* out, float* stats) {
  const float inverse = 1.0f / reduce_add16(load16(sum));
  const v16 factor = set16(inverse);
  std::size_t d = 0;
  // + 0 makes a negative zero positive: its sign would depend on the masked keys behind it.
  for (; d + 16 <= dim; d += 16) store_lanes(out + d, add16(mul16(load16(acc + d), factor), zero16()));
  if (d < dim) store_some(out + d, add16(mul16(load16(acc + d), factor), zero16()), dim - d);
  if (stats) {
    stats[0] = max;
    stats[1] = inverse;
  }
}

template <class T>
static float attention_dot(std::size_t dim, const T* a, const T* b) {
  v16 lanes = zero16();
  std::size_t d = 0;
  for (; d + 16 <= dim; d += 16) lanes = fma16(load_lanes(a + d), load_lanes(b + d), lanes);
  if (d < dim) lanes = fma16(load_some(a + d, dim - d), load_some(b + d, dim - d), lanes);
  return reduce_add16(lanes);
}

// p (unless null) and ds of tile rows first...first+rows-1 (at most kAttentionRows), zero where masked; (rows, 64).
template <class T>
GRPO_INLINE void row_gradients(Registers& registers, const BackwardTile<T>& t, std::size_t first, std::size_t rows, T* p, T* ds) {
  alignas(64) float s[kAttentionRows<T> * kBlockKeys], dp[kAttentionRows<T> * kBlockKeys];
  const int vectors = vectors_of(most_visible(t.visible + first, rows));
  scores(registers, rows, t.dim, t.padded, vectors, t.q + first * t.padded, t.k, s);
  scores(registers, rows, t.dim, t.padded, vectors, t.dout + first * t.padded, t.v_columns, dp);
  const v16 scale = set16(t.scale), gradient_scale = set16(t.gradient_scale);
  for (std::size_t r = 0; r < rows; ++r) {
    const v16 max = set16(-t.stats[2 * (first + r)]), inverse = set16(t.stats[2 * (first + r) + 1]), delta = set16(t.delta[first + r]);
    const int visible = t.visible[first + r];
    for (int i = 0; i < 4; ++i) {
      const std::size_t at = r * kBlockKeys + 16 * static_cast<std::size_t>(i);
      v16 e = zero16(), g = zero16();
      if (16 * i < visible) {
        e = mul16(exp2_16(fma16(load16(s + at), scale, max)), inverse);
        g = mul16(mul16(e, sub16(load16(dp + at), delta)), gradient_scale);
        if (visible < 16 * i + 16) {
          e = mask(e, i, static_cast<float>(visible), 0.0f);
          g = mask(g, i, static_cast<float>(visible), 0.0f);
        }
      }
      if (p) store_factor(p + at, e);
      store_factor(ds + at, g);
    }
  }
}

// Two rows as pairs with the earlier row in the high half, so that dot_pairs takes them in order; n is a multiple of 16.
GRPO_INLINE void pair_rows(std::size_t n, const bf16* early, const bf16* late, std::uint32_t* __restrict to) {
  for (; n > 0; n -= 16, early += 16, late += 16, to += 16)
    for (int i = 0; i < 16; ++i) to[i] = static_cast<std::uint32_t>(early[i].bits) << 16 | late[i].bits;
}

// rows (n, columns) as the reduction over rows takes them; returns how many steps.
GRPO_INLINE std::size_t reduce_rows(std::size_t, std::size_t n, const float* from, const float*& words, float*) {
  words = from;
  return n;
}
GRPO_INLINE std::size_t reduce_rows(std::size_t columns, std::size_t n, const bf16* from, const std::uint32_t*& words,
                                    std::uint32_t* work) {
  alignas(64) static const bf16 none[kMaxDim] = {};
  for (std::size_t r = 0; r < n; r += 2)
    pair_rows(columns, from + r * columns, r + 1 < n ? from + (r + 1) * columns : none, work + r / 2 * columns);
  words = work;
  return (n + 1) / 2;
}

template <class T>
static void attention_backward(const BackwardTile<T>& t) {
  using W = word_t<T>;
  constexpr std::size_t per = kPerWord<T>;
  constexpr bool kPairs = per == 2;
  alignas(64) T p[kKeyRows * kBlockKeys], ds[kKeyRows * kBlockKeys];
  alignas(64) W p_work[kPairs ? kKeyRows / 2 * kBlockKeys : 16], row_work[kPairs ? kKeyRows / 2 * kMaxDim : 16];
  Registers registers;
  for (std::size_t base = 0; base < t.rows; base += kKeyRows) {
    const std::size_t n = t.rows - base < kKeyRows ? t.rows - base : kKeyRows;
    each_tile(kAttentionRows<T>, n, [&](std::size_t first, std::size_t rows) {
      T* tile_ds = ds + first * kBlockKeys;
      row_gradients<T>(registers, t, base + first, rows, t.dk ? p + first * kBlockKeys : nullptr, tile_ds);
      if (!t.dq) return;
      // An even number of keys: slots without one are zero.
      multiply<T>(registers, t.dim, rows, t.padded, (most_visible(t.visible + base + first, rows) + per - 1) / per * per,
                  {0, words(tile_ds), kBlockKeys / per, 1, words(t.k_rows), t.padded, 32, t.dq + (base + first) * t.padded, t.padded,
                   kOnes});
    });
    if (!t.dk) continue;
    const auto add = [&](const T* factors, const T* from, float* to) {
      const W *a, *b;
      reduce_rows(kBlockKeys, n, factors, a, p_work);
      const std::size_t steps = reduce_rows(t.padded, n, from + base * t.padded, b, row_work);
      each_tile(kTileRows, most_visible(t.visible + base, n), [&](std::size_t first, std::size_t keys) {
        // Rows before the first that sees any of these keys would add zeros.
        std::size_t skip = 0;
        while (skip < n && t.visible[base + skip] <= static_cast<std::int32_t>(first)) ++skip;
        skip /= per;
        product<W>(keys, t.padded, {steps - skip, a + skip * kBlockKeys + first, 1, kBlockKeys, b + skip * t.padded, t.padded, 32,
                                    to + first * t.padded, t.padded, kOnes});
      });
    };
    add(p, t.dout, t.dv);
    add(ds, t.q, t.dk);
  }
}

template <class T>
static void attention_round(std::size_t n, const float* from, T* to, bool accumulate) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const v16 x = load16(from + i);
    store_lanes(to + i, accumulate ? add16(load_lanes(to + i), x) : x);
  }
  if (i < n) {
    const v16 x = load_some(from + i, n - i);
    store_some(to + i, accumulate ? add16(load_some(to + i, n - i), x) : x, n - i);
  }
}

template <class T>
GRPO_INLINE AttentionTiles<T> simd_tiles() {
  return {attention_forward<T>, attention_finish<T>, attention_dot<T>, attention_backward<T>, attention_round<T>};
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
