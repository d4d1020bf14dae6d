#pragma once
// The fast form of kernels/swiglu.h for f32 and bf16. Include from instruction-set files only.
#include "kernels/lanes_simd.h"
#include "kernels/split.h"
#include "kernels/swiglu.h"

namespace grpo {
namespace GRPO_ISA_NS {

GRPO_INLINE v16 sigmoid16(v16 x) { return div16(set16(1.0f), add16(set16(1.0f), exp16(neg16(x)))); }

template <class T>
static void swiglu_of(ThreadPool& pool, std::size_t rows, std::size_t cols, const T* gate_up, T* y) {
  for_ranges(pool, rows, 4 * cols, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      const T *gate = gate_up + r * 2 * cols, *up = gate + cols;
      T* to = y + r * cols;
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES {
        const v16 g = lanes.load(gate + c);
        lanes.store(to + c, mul16(mul16(g, sigmoid16(g)), lanes.load(up + c)));
      });
    }
  });
}

template <class T>
static void swiglu_backward_of(ThreadPool& pool, std::size_t rows, std::size_t cols, const T* gate_up, const T* dy,
                               T* dgate_up, bool accumulate) {
  for_ranges(pool, rows, 4 * cols, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      const T *gate = gate_up + r * 2 * cols, *up = gate + cols, *dyr = dy + r * cols;
      T *dgate = dgate_up + r * 2 * cols, *dup = dgate + cols;
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES {
        const v16 one = set16(1.0f), g = lanes.load(gate + c), s = sigmoid16(g), d = lanes.load(dyr + c);
        const v16 slope = mul16(s, fma16(g, sub16(one, s), one));
        add_or_set(lanes, dgate + c, mul16(mul16(d, lanes.load(up + c)), slope), accumulate);
        add_or_set(lanes, dup + c, mul16(d, mul16(g, s)), accumulate);
      });
    }
  });
}

static void swiglu(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* gate_up, void* y) noexcept {
  if (dtype == DType::f32) swiglu_of(pool, rows, cols, static_cast<const float*>(gate_up), static_cast<float*>(y));
  else if (dtype == DType::bf16) swiglu_of(pool, rows, cols, static_cast<const bf16*>(gate_up), static_cast<bf16*>(y));
  else grpo::swiglu(pool, dtype, rows, cols, gate_up, y);
}

static void swiglu_backward(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* gate_up,
                            const void* dy, void* dgate_up, bool accumulate) noexcept {
  if (dtype == DType::f32)
    swiglu_backward_of(pool, rows, cols, static_cast<const float*>(gate_up), static_cast<const float*>(dy),
                       static_cast<float*>(dgate_up), accumulate);
  else if (dtype == DType::bf16)
    swiglu_backward_of(pool, rows, cols, static_cast<const bf16*>(gate_up), static_cast<const bf16*>(dy),
                       static_cast<bf16*>(dgate_up), accumulate);
  else
    grpo::swiglu_backward(pool, dtype, rows, cols, gate_up, dy, dgate_up, accumulate);
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
