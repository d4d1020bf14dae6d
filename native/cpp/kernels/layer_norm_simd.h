#pragma once
// The fast form of kernels/layer_norm.h for f32 and bf16. Include from instruction-set files only.
#include "kernels/lanes_simd.h"
#include "kernels/layer_norm.h"
#include "kernels/split.h"

namespace grpo {
namespace GRPO_ISA_NS {

template <class T>
static void layer_norm_of(ThreadPool& pool, std::size_t rows, std::size_t cols, float eps, const T* x, const T* weight,
                          const T* bias, T* y, float* stats) {
  for_ranges(pool, rows, cols, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      const T* xr = x + r * cols;
      T* yr = y + r * cols;
      v16 sum = zero16(), squares = zero16();
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES { sum = add16(sum, lanes.load(xr + c)); });
      const float m = reduce_add16(sum) / static_cast<float>(cols);
      const v16 mean = set16(m);
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES {
        const v16 d = lanes.keep(sub16(lanes.load(xr + c), mean));
        squares = fma16(d, d, squares);
      });
      const float inv = 1.0f / __builtin_sqrtf(reduce_add16(squares) / static_cast<float>(cols) + eps);
      stats[r] = m;
      stats[rows + r] = inv;
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES {
        const v16 h = mul16(sub16(lanes.load(xr + c), mean), set16(inv));
        lanes.store(yr + c, fma16(h, lanes.load(weight + c), bias == nullptr ? zero16() : lanes.load(bias + c)));
      });
    }
  });
}

template <class T>
static void layer_norm_backward_of(ThreadPool& pool, std::size_t rows, std::size_t cols, const T* x, const T* weight,
                                   const float* stats, const T* dy, T* dx, bool accumulate, float* dweight, float* dbias) {
  for_ranges(pool, (cols + 15) / 16, 16 * rows, [&](std::size_t begin, std::size_t end) {
    const std::size_t first = 16 * begin, n = (16 * end < cols ? 16 * end : cols) - first;
    for (std::size_t r = 0; r < rows; ++r) {
      const T *xr = x + r * cols + first, *dyr = dy + r * cols + first;
      const v16 mean = set16(stats[r]), inv = set16(stats[rows + r]);
      for_lanes(n, [&](std::size_t c, auto lanes) GRPO_LANES {
        float* to = dweight + first + c;
        const v16 d = lanes.load(dyr + c);
        lanes.store(to, fma16(d, mul16(sub16(lanes.load(xr + c), mean), inv), lanes.load(to)));
        if (dbias != nullptr) lanes.store(dbias + first + c, add16(lanes.load(dbias + first + c), d));
      });
    }
  });
  for_ranges(pool, rows, cols, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      const T *xr = x + r * cols, *dyr = dy + r * cols;
      T* dxr = dx + r * cols;
      const v16 mean = set16(stats[r]), inv = set16(stats[rows + r]);
      v16 sum = zero16(), dot = zero16();
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES {
        const v16 t = mul16(lanes.load(dyr + c), lanes.load(weight + c));
        sum = add16(sum, t);
        dot = fma16(t, mul16(sub16(lanes.load(xr + c), mean), inv), dot);
      });
      const v16 mean_t = set16(reduce_add16(sum) / static_cast<float>(cols));
      const v16 mean_th = set16(-(reduce_add16(dot) / static_cast<float>(cols)));
      for_lanes(cols, [&](std::size_t c, auto lanes) GRPO_LANES {
        const v16 t = mul16(lanes.load(dyr + c), lanes.load(weight + c));
        const v16 h = mul16(sub16(lanes.load(xr + c), mean), inv);
        add_or_set(lanes, dxr + c, mul16(inv, fma16(h, mean_th, sub16(t, mean_t))), accumulate);
      });
    }
  });
}

static void layer_norm(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, double eps, const void* x,
                       const void* weight, const void* bias, void* y, void* stats) noexcept {
  const float e = static_cast<float>(eps);
  if (dtype == DType::f32)
    layer_norm_of(pool, rows, cols, e, static_cast<const float*>(x), static_cast<const float*>(weight),
                  static_cast<const float*>(bias), static_cast<float*>(y), static_cast<float*>(stats));
  else if (dtype == DType::bf16)
    layer_norm_of(pool, rows, cols, e, static_cast<const bf16*>(x), static_cast<const bf16*>(weight),
                  static_cast<const bf16*>(bias), static_cast<bf16*>(y), static_cast<float*>(stats));
  else
    grpo::layer_norm(pool, dtype, rows, cols, eps, x, weight, bias, y, stats);
}

static void layer_norm_backward(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* x,
                                const void* weight, const void* stats, const void* dy, void* dx, bool accumulate,
                                void* dweight, void* dbias) noexcept {
  float *dw = static_cast<float*>(dweight), *db = static_cast<float*>(dbias);
  if (dtype == DType::f32)
    layer_norm_backward_of(pool, rows, cols, static_cast<const float*>(x), static_cast<const float*>(weight),
                           static_cast<const float*>(stats), static_cast<const float*>(dy), static_cast<float*>(dx), accumulate, dw, db);
  else if (dtype == DType::bf16)
    layer_norm_backward_of(pool, rows, cols, static_cast<const bf16*>(x), static_cast<const bf16*>(weight),
                           static_cast<const float*>(stats), static_cast<const bf16*>(dy), static_cast<bf16*>(dx), accumulate, dw, db);
  else
    grpo::layer_norm_backward(pool, dtype, rows, cols, x, weight, stats, dy, dx, accumulate, dweight, dbias);
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
