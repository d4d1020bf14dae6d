#pragma once
// The project's own exp and log: the same polynomial on every path, so that results do not depend on a C library.
// double versions serve the float64 reference path only and are the C library's.
#include <cmath>
#include <cstdint>
#include <cstring>

namespace grpo {

// exp(x), within 2 ulp; exactly 1 at 0, 0 below -87.3, +inf above 88.3. The 16-lane twin is exp16 in core/simd.h: same bits.
inline float exp_own(float x) {
  if (x < -87.3f) return 0.0f;
  if (x > 88.3f) return __builtin_inff();
  if (x != x) return x;
  const float n = __builtin_nearbyintf(x * 1.44269504088896341f);
  float r = std::fma(n, -0.693145751953125f, x);
  r = std::fma(n, -1.42860682030941723212e-6f, r);
  float p = 1.9875691500e-4f;
  p = std::fma(p, r, 1.3981999507e-3f);
  p = std::fma(p, r, 8.3334519073e-3f);
  p = std::fma(p, r, 4.1665795894e-2f);
  p = std::fma(p, r, 1.6666665459e-1f);
  p = std::fma(p, r, 5.0000001201e-1f);
  p = std::fma(p, r * r, r + 1.0f);
  return std::ldexp(p, static_cast<int>(n));
}
inline double exp_own(double x) { return std::exp(x); }

// log(x) for x > 0: exponent plus atanh series in double, rounded once; within 1 ulp in float.
inline float log_own(float x) {
  if (!(x > 0.0f)) return x == 0.0f ? -__builtin_inff() : __builtin_nanf("");
  if (x == __builtin_inff()) return x;
  int e;
  double m = std::frexp(static_cast<double>(x), &e);  // m in [0.5, 1)
  if (m < 0.70710678118654752440) {
    m *= 2;
    e -= 1;
  }
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double p = 1.0 / 15;
  for (int k = 13; k >= 1; k -= 2) p = 1.0 / k + s2 * p;
  return static_cast<float>(2 * s * p + e * 0.693147180559945309417);
}
inline double log_own(double x) { return std::log(x); }

// erf(x) as x * P(x^2) / Q(x^2) on [-4, 4], beyond which it is +-1 in float32; within 4 ulp. The rational function is that
// of Eigen's generic_fast_erf_float.
inline float erf_own(float v) {
  const float x = v < -4.0f ? -4.0f : v > 4.0f ? 4.0f : v, x2 = x * x;
  float p = -2.72614225801306e-10f;
  p = std::fma(p, x2, 2.77068142495902e-08f);
  p = std::fma(p, x2, -2.10102402082508e-06f);
  p = std::fma(p, x2, -5.69250639462346e-05f);
  p = std::fma(p, x2, -7.34990630326855e-04f);
  p = std::fma(p, x2, -2.95459980854025e-03f);
  p = std::fma(p, x2, -1.60960333262415e-02f);
  float q = -1.45660718464996e-05f;
  q = std::fma(q, x2, -2.13374055278905e-04f);
  q = std::fma(q, x2, -1.68282697438203e-03f);
  q = std::fma(q, x2, -7.37332916720468e-03f);
  q = std::fma(q, x2, -1.42647390514189e-02f);
  return x * p / q;
}
inline double erf_own(double x) { return std::erf(x); }

}  // namespace grpo
