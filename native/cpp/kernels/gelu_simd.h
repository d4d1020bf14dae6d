#pragma once
// The fast form of kernels/gelu.h for f32 and bf16. Include from instruction-set files only.
#include "kernels/gelu.h"
#include "kernels/lanes_simd.h"
#include "kernels/split.h"

namespace grpo {
namespace GRPO_ISA_NS {

// The twin of erf_own in core/math.h: same bits.
GRPO_INLINE v16 erf16(v16 v) {
  const v16 x = min16(max16(v, set16(-4.0f)), set16(4.0f)), x2 = mul16(x, x);
  v16 p = set16(-2.72614225801306e-10f);
  p = fma16(p, x2, set16(2.77068142495902e-08f));
  p = fma16(p, x2, set16(-2.10102402082508e-06f));
  p = fma16(p, x2, set16(-5.69250639462346e-05f));
  p = fma16(p, x2, set16(-7.34990630326855e-04f));
  p = fma16(p, x2, set16(-2.95459980854025e-03f));
  p = fma16(p, x2, set16(-1.60960333262415e-02f));
  v16 q = set16(-1.45660718464996e-05f);
  q = fma16(q, x2, set16(-2.13374055278905e-04f));
  q = fma16(q, x2, set16(-1.68282697438203e-03f));
  q = fma16(q, x2, set16(-7.37332916720468e-03f));
  q = fma16(q, x2, set16(-1.42647390514189e-02f));
  return div16(mul16(x, p), q);
}

constexpr float kTwoRootTwoOverPi = static_cast<float>(2 * 0.79788456080286535588);

// gelu(x) = x * gate, as in gelu.cpp.
GRPO_INLINE v16 gelu_gate(v16 x, bool tanh) {
  const v16 one = set16(1.0f);
  if (!tanh) return mul16(set16(0.5f), add16(one, erf16(mul16(x, set16(0.70710678118654752440f)))));
  const v16 z2 = mul16(x, mul16(set16(kTwoRootTwoOverPi), fma16(set16(0.044715f), mul16(x, x), one)));
  return div16(one, add16(one, exp16(neg16(z2))));
}

GRPO_INLINE v16 gelu_slope(v16 x, bool tanh) {
  const v16 one = set16(1.0f), s = gelu_gate(x, tanh);
  if (!tanh) {
    const v16 density = mul16(set16(0.39894228040143267794f), exp16(mul16(mul16(set16(-0.5f), x), x)));
    return fma16(x, density, s);
  }
  const v16 dz2 = mul16(set16(kTwoRootTwoOverPi), fma16(set16(static_cast<float>(3 * 0.044715)), mul16(x, x), one));
  return fma16(mul16(x, mul16(s, sub16(one, s))), dz2, s);
}

template <class T>
static void gelu_of(ThreadPool& pool, std::size_t count, bool tanh, const T* x, T* y) {
  for_ranges(pool, (count + 15) / 16, 64, [&](std::size_t begin, std::size_t end) {
    const std::size_t first = 16 * begin, n = (16 * end < count ? 16 * end : count) - first;
    for_lanes(n, [&](std::size_t i, auto lanes) GRPO_LANES {
      const v16 v = lanes.load(x + first + i);
      lanes.store(y + first + i, mul16(v, gelu_gate(v, tanh)));
    });
  });
}

template <class T>
static void gelu_backward_of(ThreadPool& pool, std::size_t count, bool tanh, const T* x, const T* dy, T* dx, bool accumulate) {
  for_ranges(pool, (count + 15) / 16, 64, [&](std::size_t begin, std::size_t end) {
    const std::size_t first = 16 * begin, n = (16 * end < count ? 16 * end : count) - first;
    for_lanes(n, [&](std::size_t i, auto lanes) GRPO_LANES {
      const v16 slope = gelu_slope(lanes.load(x + first + i), tanh);
      add_or_set(lanes, dx + first + i, mul16(lanes.load(dy + first + i), slope), accumulate);
    });
  });
}

static void gelu(ThreadPool& pool, DType dtype, std::size_t count, bool tanh, const void* x, void* y) noexcept {
  if (dtype == DType::f32) gelu_of(pool, count, tanh, static_cast<const float*>(x), static_cast<float*>(y));
  else if (dtype == DType::bf16) gelu_of(pool, count, tanh, static_cast<const bf16*>(x), static_cast<bf16*>(y));
  else grpo::gelu(pool, dtype, count, tanh, x, y);
}

static void gelu_backward(ThreadPool& pool, DType dtype, std::size_t count, bool tanh, const void* x, const void* dy,
                          void* dx, bool accumulate) noexcept {
  if (dtype == DType::f32)
    gelu_backward_of(pool, count, tanh, static_cast<const float*>(x), static_cast<const float*>(dy), static_cast<float*>(dx), accumulate);
  else if (dtype == DType::bf16)
    gelu_backward_of(pool, count, tanh, static_cast<const bf16*>(x), static_cast<const bf16*>(dy), static_cast<bf16*>(dx), accumulate);
  else
    grpo::gelu_backward(pool, dtype, count, tanh, x, dy, dx, accumulate);
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
