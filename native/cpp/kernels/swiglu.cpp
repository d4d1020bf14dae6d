#include "kernels/swiglu.h"

#include <cmath>

#include "core/math.h"
#include "kernels/split.h"
#include "kernels/with_type.h"

namespace grpo {
namespace {

template <class C>
C sigmoid(C x) { return C(1) / (C(1) + exp_own(-x)); }

template <class T>
void add_or_set(T& to, compute_t<T> value, bool accumulate) {
  store(to, accumulate ? load(to) + value : value);
}

}  // namespace

void swiglu(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* gate_up, void* y) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    for_ranges(pool, rows, 4 * cols, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; ++r) {
        const T *gate = static_cast<const T*>(gate_up) + r * 2 * cols, *up = gate + cols;
        T* out = static_cast<T*>(y) + r * cols;
        for (std::size_t c = 0; c < cols; ++c) {
          const auto g = load(gate[c]);
          store(out[c], (g * sigmoid(g)) * load(up[c]));
        }
      }
    });
  });
}

void swiglu_backward(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* gate_up,
                     const void* dy, void* dgate_up, bool accumulate) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using C = compute_t<T>;
    for_ranges(pool, rows, 4 * cols, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; ++r) {
        const T *gate = static_cast<const T*>(gate_up) + r * 2 * cols, *up = gate + cols;
        T *dgate = static_cast<T*>(dgate_up) + r * 2 * cols, *dup = dgate + cols;
        const T* d = static_cast<const T*>(dy) + r * cols;
        for (std::size_t c = 0; c < cols; ++c) {
          const C g = load(gate[c]), s = sigmoid(g), dyc = load(d[c]);
          const C slope = s * std::fma(g, C(1) - s, C(1));
          add_or_set(dgate[c], (dyc * load(up[c])) * slope, accumulate);
          add_or_set(dup[c], dyc * (g * s), accumulate);
        }
      }
    });
  });
}

}  // namespace grpo
