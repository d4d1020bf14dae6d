#include "kernels/gelu.h"

#include <cmath>

#include "core/math.h"
#include "kernels/split.h"
#include "kernels/with_type.h"

namespace grpo {
namespace {

constexpr double kRootHalf = 0.70710678118654752440, kRootTwoOverPi = 0.79788456080286535588,
                 kInvRootTwoPi = 0.39894228040143267794, kCubic = 0.044715;

// Phi(x) for the exact form, the logistic of 2 z for the tanh form: y = x * gate(x).
template <class C>
C gate(C x, bool tanh) {
  if (!tanh) return C(0.5) * (C(1) + erf_own(x * C(kRootHalf)));
  const C z2 = x * (C(2 * kRootTwoOverPi) * std::fma(C(kCubic), x * x, C(1)));
  return C(1) / (C(1) + exp_own(-z2));
}

template <class C>
C slope(C x, bool tanh) {
  const C s = gate(x, tanh);
  if (!tanh) return std::fma(x, C(kInvRootTwoPi) * exp_own(C(-0.5) * x * x), s);
  const C dz2 = C(2 * kRootTwoOverPi) * std::fma(C(3 * kCubic), x * x, C(1));
  return std::fma(x * (s * (C(1) - s)), dz2, s);
}

}  // namespace

void gelu(ThreadPool& pool, DType dtype, std::size_t count, bool tanh, const void* x, void* y) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    for_ranges(pool, count, 4, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const auto v = load(static_cast<const T*>(x)[i]);
        store(static_cast<T*>(y)[i], v * gate(v, tanh));
      }
    });
  });
}

void gelu_backward(ThreadPool& pool, DType dtype, std::size_t count, bool tanh, const void* x, const void* dy, void* dx,
                   bool accumulate) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    for_ranges(pool, count, 4, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const auto d = load(static_cast<const T*>(dy)[i]) * slope(load(static_cast<const T*>(x)[i]), tanh);
        T& to = static_cast<T*>(dx)[i];
        store(to, accumulate ? load(to) + d : d);
      }
    });
  });
}

}  // namespace grpo
