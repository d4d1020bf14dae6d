#pragma once
// The functions of rotary.h on 16 lanes. A lane is a dimension of a head.
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

// Elements i.. and i + half.. of a head, turned by angles of this cosine and sine; the sine's negative turns them back.
GRPO_INLINE void rotate(v16& a, v16& b, v16 cos, v16 sin) {
  const v16 turned = fma16(sub16(zero16(), b), sin, mul16(a, cos));
  b = fma16(a, sin, mul16(b, cos));
  a = turned;
}

GRPO_INLINE v16 load_sines(const float* sines, std::size_t n, bool back) {
  const v16 sin = load_some(sines, n);
  return back ? sub16(zero16(), sin) : sin;
}

// The first HALF lanes (4 or 8) in every run of HALF; the other lanes are zero before.
template <std::size_t HALF>
GRPO_INLINE v16 repeat(v16 a) {
  const v16 eight = HALF == 4 ? add16(a, swap_fours(a)) : a;
  return add16(eight, swap_eights(eight));
}

// Heads of 2 HALF elements, more than one of which may fill a vector.
template <std::size_t HALF, class T>
GRPO_INLINE void turn_narrow(std::size_t elements, const float* table, bool back, const T* x, T* y, bool accumulate) {
  alignas(64) float signs[16];
  for (std::size_t i = 0; i < 16; ++i) signs[i] = (i % (2 * HALF) < HALF) != back ? -1.0f : 1.0f;
  const v16 cos = repeat<HALF>(load_first(table, HALF)), sin = mul16(repeat<HALF>(load_first(table + HALF, HALF)), load16(signs));
  each_vector(elements, [&](std::size_t i, std::size_t n) {
    const v16 a = load_some(x + i, n), partner = HALF == 4 ? swap_fours(a) : swap_eights(a);
    const v16 turned = fma16(partner, sin, mul16(a, cos));
    store_some(y + i, accumulate ? add16(load_some(y + i, n), turned) : turned, n);
  });
}

template <class T>
static void rotary_turn(std::size_t heads, std::size_t dim, const float* table, bool back, const T* x, T* y, bool accumulate) {
  const std::size_t half = dim / 2;
  if (half == 4) return turn_narrow<4>(heads * dim, table, back, x, y, accumulate);
  if (half == 8) return turn_narrow<8>(heads * dim, table, back, x, y, accumulate);
  for (std::size_t h = 0; h < heads; ++h, x += dim, y += dim)
    each_vector(half, [&](std::size_t i, std::size_t n) {
      v16 a = load_some(x + i, n), b = load_some(x + i + half, n);
      rotate(a, b, load_some(table + i, n), load_sines(table + half + i, n, back));
      store_some(y + i, accumulate ? add16(load_some(y + i, n), a) : a, n);
      store_some(y + i + half, accumulate ? add16(load_some(y + i + half, n), b) : b, n);
    });
}

template <class T>
static void rotary_forward(std::size_t dim, const float* table, const T* norm, float epsilon, const T* x, T* y) {
  const std::size_t half = dim / 2;
  const v16 inverse = inverse_rms(dim, x, epsilon);
  each_vector(half, [&](std::size_t i, std::size_t n) {
    v16 a = mul16(mul16(load_some(x + i, n), inverse), load_some(norm + i, n));
    v16 b = mul16(mul16(load_some(x + i + half, n), inverse), load_some(norm + i + half, n));
    rotate(a, b, load_some(table + i, n), load_some(table + half + i, n));
    store_some(y + i, a, n);
    store_some(y + i + half, b, n);
  });
}

template <class T>
static float rotary_backward(std::size_t dim, const float* table, const T* norm, float epsilon, const T* x, const T* dy, T* dx,
                             bool accumulate) {
  const std::size_t half = dim / 2;
  const v16 inverse = inverse_rms(dim, x, epsilon);
  alignas(64) float dn[256];
  each_vector(half, [&](std::size_t i, std::size_t n) {
    v16 a = load_some(dy + i, n), b = load_some(dy + i + half, n);
    rotate(a, b, load_some(table + i, n), load_sines(table + half + i, n, true));
    store_some(dn + i, a, n);
    store_some(dn + i + half, b, n);
  });
  v16 along = zero16();
  each_vector(dim, [&](std::size_t i, std::size_t n) {
    const v16 g = mul16(load_some(dn + i, n), load_some(norm + i, n));
    store_some(dn + i, g, n);
    along = fma16(g, mul16(load_some(x + i, n), inverse), along);
  });
  const v16 mean = set16(-(reduce_add16(along) / static_cast<float>(dim)));
  each_vector(dim, [&](std::size_t i, std::size_t n) {
    const v16 g = mul16(inverse, fma16(mean, mul16(load_some(x + i, n), inverse), load_some(dn + i, n)));
    store_some(dx + i, accumulate ? add16(load_some(dx + i, n), g) : g, n);
  });
  float kept;
  store16_n(&kept, inverse, 1);
  return kept;
}

template <class T>
static void rotary_norm_gradient(std::size_t dim, std::size_t first, std::size_t count, const float* table, float inverse, const T* x,
                                 const T* dy, float* dnorm) {
  const std::size_t half = dim / 2;
  const v16 factor = set16(inverse);
  each_vector(count, [&](std::size_t at, std::size_t n) {
    const std::size_t i = first + at, j = i + half;
    v16 da = load_some(dy + i, n), db = load_some(dy + j, n);
    rotate(da, db, load_some(table + i, n), load_sines(table + half + i, n, true));
    store_some(dnorm + i, fma16(da, mul16(load_some(x + i, n), factor), load_some(dnorm + i, n)), n);
    store_some(dnorm + j, fma16(db, mul16(load_some(x + j, n), factor), load_some(dnorm + j, n)), n);
  });
}

template <class T>
GRPO_INLINE RotaryHead<T> rotary_simd() {
  return {rotary_turn<T>, rotary_forward<T>, rotary_backward<T>, rotary_norm_gradient<T>};
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
