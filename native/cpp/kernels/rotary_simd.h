#pragma once
// The functions of rotary.h on 16 lanes. A lane is a dimension of the head.
#include "kernels/partial_simd.h"
#include "kernels/rotary.h"

namespace grpo {
namespace GRPO_ISA_NS {

// Calls body(i, n) for vectors i..i+n-1 of `count` elements, n = 16 but for the last.
template <class F>
GRPO_INLINE void each_vector(std::size_t count, F&& body) {
  for (std::size_t i = 0; i < count; i += 16) body(i, count - i < 16 ? count - i : 16);
}

template <class T>
GRPO_INLINE v16 inverse_rms(std::size_t dim, const T* x, float epsilon) {
  v16 squares = zero16();
  each_vector(dim, [&](std::size_t i, std::size_t n) {
    const v16 v = load_some(x + i, n);
    squares = fma16(v, v, squares);
  });
  return div16(set16(1.0f), sqrt16(set16(reduce_add16(squares) / static_cast<float>(dim) + epsilon)));
}

template <class T>
static void rotary_forward(std::size_t dim, const float* table, const T* norm, float epsilon, const T* x, T* y) {
  const std::size_t half = dim / 2;
  const v16 inverse = norm ? inverse_rms(dim, x, epsilon) : zero16();
  each_vector(half, [&](std::size_t i, std::size_t n) {
    v16 a = load_some(x + i, n), b = load_some(x + i + half, n);
    if (norm) {
      a = mul16(mul16(a, inverse), load_some(norm + i, n));
      b = mul16(mul16(b, inverse), load_some(norm + i + half, n));
    }
    const v16 cos = load_some(table + i, n), sin = load_some(table + half + i, n);
    store_some(y + i, fma16(sub16(zero16(), b), sin, mul16(a, cos)), n);
    store_some(y + i + half, fma16(a, sin, mul16(b, cos)), n);
  });
}

// Gradient of elements i.. and i+half.. of the head before the rotation: the rotation's transpose.
template <class T>
GRPO_INLINE void unrotate(std::size_t half, std::size_t i, std::size_t n, const float* table, const T* dy, v16& da, v16& db) {
  const v16 a = load_some(dy + i, n), b = load_some(dy + i + half, n);
  const v16 cos = load_some(table + i, n), sin = load_some(table + half + i, n);
  da = fma16(b, sin, mul16(a, cos));
  db = fma16(sub16(zero16(), a), sin, mul16(b, cos));
}

template <class T>
static float rotary_backward(std::size_t dim, const float* table, const T* norm, float epsilon, const T* x, const T* dy, T* dx,
                             bool accumulate) {
  const std::size_t half = dim / 2;
  alignas(64) float dn[256];
  each_vector(half, [&](std::size_t i, std::size_t n) {
    v16 da, db;
    unrotate(half, i, n, table, dy, da, db);
    store_some(dn + i, da, n);
    store_some(dn + i + half, db, n);
  });
  float kept = 1.0f;
  if (norm) {
    const v16 inverse = inverse_rms(dim, x, epsilon);
    v16 along = zero16();
    each_vector(dim, [&](std::size_t i, std::size_t n) {
      const v16 g = mul16(load_some(dn + i, n), load_some(norm + i, n));
      store_some(dn + i, g, n);
      along = fma16(g, mul16(load_some(x + i, n), inverse), along);
    });
    const v16 mean = set16(-(reduce_add16(along) / static_cast<float>(dim)));
    each_vector(dim, [&](std::size_t i, std::size_t n) {
      store_some(dn + i, mul16(inverse, fma16(mean, mul16(load_some(x + i, n), inverse), load_some(dn + i, n))), n);
    });
    store16_n(&kept, inverse, 1);
  }
  each_vector(dim, [&](std::size_t i, std::size_t n) {
    const v16 g = load_some(dn + i, n);
    store_some(dx + i, accumulate ? add16(load_some(dx + i, n), g) : g, n);
  });
  return kept;
}

template <class T>
static void rotary_norm_gradient(std::size_t dim, std::size_t first, std::size_t count, const float* table, float inverse, const T* x,
                                 const T* dy, float* dnorm) {
  const std::size_t half = dim / 2;
  const v16 factor = set16(inverse);
  each_vector(count, [&](std::size_t at, std::size_t n) {
    const std::size_t i = first + at, j = i + half;
    v16 da, db;
    unrotate(half, i, n, table, dy, da, db);
    store_some(dnorm + i, fma16(da, mul16(load_some(x + i, n), factor), load_some(dnorm + i, n)), n);
    store_some(dnorm + j, fma16(db, mul16(load_some(x + j, n), factor), load_some(dnorm + j, n)), n);
  });
}

template <class T>
GRPO_INLINE RotaryHead<T> rotary_simd() {
  return {rotary_forward<T>, rotary_backward<T>, rotary_norm_gradient<T>};
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
