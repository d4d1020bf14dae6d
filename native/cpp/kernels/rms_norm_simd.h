#pragma once
// The fast form of kernels/rms_norm.h for f32 and bf16. Include from instruction-set files only.
#include "kernels/lanes_simd.h"
#include "kernels/rms_norm.h"
#include "kernels/split.h"

namespace grpo {
namespace GRPO_ISA_NS {

template <class T>
static void rms_norm_of(ThreadPool& pool, std::size_t rows, std::size_t cols, float eps, const T* x, const T* weight, T* y, float* inv_rms) {
  for_ranges(pool, rows, cols, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      const T* xr = x + r * cols;
      T* yr = y + r * cols;
      v16 sum = zero16();
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES {
        const v16 v = lanes.load(xr + c);
        sum = fma16(v, v, sum);
      });
      const float inv = 1.0f / __builtin_sqrtf(reduce_add16(sum) / static_cast<float>(cols) + eps);
      inv_rms[r] = inv;
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES {
        lanes.store(yr + c, mul16(mul16(lanes.load(xr + c), set16(inv)), lanes.load(weight + c)));
      });
    }
  });
}

template <class T>
static void rms_norm_backward_of(ThreadPool& pool, std::size_t rows, std::size_t cols, const T* x, const T* weight,
                                 const float* inv_rms, const T* dy, T* dx, bool accumulate, float* dweight) {
  for_ranges(pool, (cols + 15) / 16, 16 * rows, [&](std::size_t begin, std::size_t end) {
    const std::size_t first = 16 * begin, n = (16 * end < cols ? 16 * end : cols) - first;
    for (std::size_t r = 0; r < rows; ++r) {
      const T *xr = x + r * cols + first, *dyr = dy + r * cols + first;
      const v16 inv = set16(inv_rms[r]);
      for_lanes(n, [&](std::size_t c, auto lanes) GRPO_LANES {
        float* to = dweight + first + c;
        lanes.store(to, fma16(lanes.load(dyr + c), mul16(lanes.load(xr + c), inv), lanes.load(to)));
      });
    }
  });
  for_ranges(pool, rows, cols, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      const T *xr = x + r * cols, *dyr = dy + r * cols;
      T* dxr = dx + r * cols;
      const v16 inv = set16(inv_rms[r]);
      v16 dot = zero16();
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES {
        dot = fma16(mul16(lanes.load(dyr + c), lanes.load(weight + c)), mul16(lanes.load(xr + c), inv), dot);
      });
      const v16 mean = set16(-(reduce_add16(dot) / static_cast<float>(cols)));
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES {
        const v16 t = mul16(lanes.load(dyr + c), lanes.load(weight + c)), h = mul16(lanes.load(xr + c), inv);
        add_or_set(lanes, dxr + c, mul16(inv, fma16(h, mean, t)), accumulate);
      });
    }
  });
}

static void rms_norm(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, double eps, const void* x,
                     const void* weight, void* y, void* inv_rms) noexcept {
  const float e = static_cast<float>(eps);
  if (dtype == DType::f32)
    rms_norm_of(pool, rows, cols, e, static_cast<const float*>(x), static_cast<const float*>(weight), static_cast<float*>(y), static_cast<float*>(inv_rms));
  else if (dtype == DType::bf16)
    rms_norm_of(pool, rows, cols, e, static_cast<const bf16*>(x), static_cast<const bf16*>(weight), static_cast<bf16*>(y), static_cast<float*>(inv_rms));
  else
    grpo::rms_norm(pool, dtype, rows, cols, eps, x, weight, y, inv_rms);
}

static void rms_norm_backward(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* x,
                              const void* weight, const void* inv_rms, const void* dy, void* dx, bool accumulate,
                              void* dweight) noexcept {
  if (dtype == DType::f32)
    rms_norm_backward_of(pool, rows, cols, static_cast<const float*>(x), static_cast<const float*>(weight), static_cast<const float*>(inv_rms),
                         static_cast<const float*>(dy), static_cast<float*>(dx), accumulate, static_cast<float*>(dweight));
  else if (dtype == DType::bf16)
    rms_norm_backward_of(pool, rows, cols, static_cast<const bf16*>(x), static_cast<const bf16*>(weight), static_cast<const float*>(inv_rms),
                         static_cast<const bf16*>(dy), static_cast<bf16*>(dx), accumulate, static_cast<float*>(dweight));
  else
    grpo::rms_norm_backward(pool, dtype, rows, cols, x, weight, inv_rms, dy, dx, accumulate, dweight);
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
