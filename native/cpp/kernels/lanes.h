#pragma once
// The rule by which kernels sum along a row, for the references: lane i takes columns i, i + 16, ... in ascending order, then
// lanes i and i + 8 are added, then i + 4, i + 2, i + 1. The same tree as reduce_add16 of core/simd.h.
#include <cmath>
#include <cstddef>

namespace grpo {

template <class C>
struct LaneSum {
  C lane[16] = {};

  void add(std::size_t column, C value) { lane[column % 16] += value; }
  void add_product(std::size_t column, C a, C b) { lane[column % 16] = std::fma(a, b, lane[column % 16]); }
  C total() const {
    C t[16];
    for (int i = 0; i < 16; ++i) t[i] = lane[i];
    for (int step = 8; step > 0; step /= 2)
      for (int i = 0; i < step; ++i) t[i] += t[i + step];
    return t[0];
  }
};

}  // namespace grpo
