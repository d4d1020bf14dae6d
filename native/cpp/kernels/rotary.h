#pragma once
#include "kernels/tree_attention.h"

namespace grpo {

// Heads of one row; what an instruction set implements of AttentionKernels::rotary and rotary_backward. `table` is the row of the
// row's position. Sums over a head take sixteen lanes (element i in lane i % 16) and a fixed lane tree.
template <class T>
struct RotaryHead {
  using C = compute_t<T>;
  // `heads` heads beside each other without a norm: turned by the angles into y, or, with `back`, by the angles' negatives, which is
  // the gradient. y may be x.
  void (*turn)(std::size_t heads, std::size_t dim, const C* table, bool back, const T* x, T* y, bool accumulate);
  // One head with a norm.
  void (*forward)(std::size_t dim, const C* table, const T* norm, C epsilon, const T* x, T* y);
  // The same; returns the 1 / rms of the head.
  C (*backward)(std::size_t dim, const C* table, const T* norm, C epsilon, const T* x, const T* dy, T* dx, bool accumulate);
  // dnorm[i] += (gradient after the norm)[i] x[i] inverse, for i = first..first+count-1 and the same + dim / 2.
  void (*norm_gradient)(std::size_t dim, std::size_t first, std::size_t count, const C* table, C inverse, const T* x, const T* dy,
                        C* dnorm);
};

template <class T>
RotaryHead<T> rotary_reference();
RotaryHead<float> rotary_avx2_f32();
RotaryHead<bf16> rotary_avx2_b16();
RotaryHead<float> rotary_avx512_f32();
RotaryHead<bf16> rotary_avx512_b16();
RotaryHead<float> rotary_neon_f32();
RotaryHead<bf16> rotary_neon_b16();

struct RotaryKernels {
  decltype(AttentionKernels::rotary) forward;
  decltype(AttentionKernels::rotary_backward) backward;
};
RotaryKernels rotary_kernels(Isa isa);

}  // namespace grpo
