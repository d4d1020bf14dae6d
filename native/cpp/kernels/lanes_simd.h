#pragma once
// Sixteen columns of a row at a time. Include from instruction-set files only.
#include "kernels/partial_simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

// A whole group of sixteen columns.
struct All {
  template <class T> __attribute__((always_inline)) v16 load(const T* p) const { return load_lanes(p); }
  template <class T> __attribute__((always_inline)) void store(T* p, v16 a) const { store_lanes(p, a); }
  __attribute__((always_inline)) v16 keep(v16 a) const { return a; }
};

// The last n < 16 columns: the other lanes load as zero and are not stored.
struct First {
  std::size_t n;
  template <class T> __attribute__((always_inline)) v16 load(const T* p) const { return load_first(p, n); }
  template <class T> __attribute__((always_inline)) void store(T* p, v16 a) const { store_first(p, a, n); }
  // Zero in the lanes beyond n.
  __attribute__((always_inline)) v16 keep(v16 a) const {
    float t[16];
    store16(t, a);
    return load(t);
  }
};

// f(first column, All or First) over n columns.
template <class F> GRPO_INLINE void for_lanes(std::size_t n, F f) {
  std::size_t c = 0;
  for (; c + 16 <= n; c += 16) f(c, All{});
  if (c < n) f(c, First{n - c});
}

// Lambdas given to for_lanes carry this, so that accumulators stay in registers.
#define GRPO_LANES __attribute__((always_inline))

GRPO_INLINE v16 neg16(v16 a) { return sub16(zero16(), a); }

// Adds `value` to what `p` holds if `accumulate`, and rounds once.
template <class L, class T> GRPO_INLINE void add_or_set(L lanes, T* p, v16 value, bool accumulate) {
  lanes.store(p, accumulate ? add16(lanes.load(p), value) : value);
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
