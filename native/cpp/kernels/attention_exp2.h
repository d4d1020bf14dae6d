#pragma once
// The exponential of attention's softmax: 2^x, so that log2(e) is part of the scale of the scores. One polynomial for the
// reference here and for the sixteen lanes of tree_attention_simd.h: the same bits.
#include <cmath>

namespace grpo {

// 2^r for |r| <= 1/2 is 1 + r (c0 + r (c1 + ...)): minimax of degree 5 in relative error, 1e-7 before rounding.
constexpr float kExp2[5] = {6.931470037e-1f, 2.402224541e-1f, 5.550707877e-2f, 9.671361186e-3f, 1.327089733e-3f};
constexpr float kExp2Low = -126.0f;
constexpr double kLog2E = 1.4426950408889634074;

// 2^x for x <= 1, within 1.5 ulp; exactly 1 at 0, 0 below -126.
inline float exp2_own(float x) {
  if (x < kExp2Low) return 0.0f;
  if (x != x) return x;
  const float n = __builtin_nearbyintf(x), r = x - n;
  float p = kExp2[4];
  for (int i = 3; i >= 0; --i) p = std::fma(p, r, kExp2[i]);
  return std::ldexp(std::fma(p, r, 1.0f), static_cast<int>(n));
}
inline double exp2_own(double x) { return std::exp2(x); }

}  // namespace grpo
