#pragma once
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// y[r,c] = x[r,c] * inv_rms[r] * weight[c],  inv_rms[r] = 1 / sqrt(mean_c x[r,c]^2 + eps)
//   x, y     (rows, cols)  row-major, of `dtype`
//   weight   (cols)        of `dtype`
//   inv_rms  (rows)        float32 (float64 for f64), kept for rms_norm_backward
// Computed in float32 (float64 for f64), rounded once when stored; sums by the lane tree of kernels/lanes.h.
// Source: Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", eq. (4), with eps as in Llama.
void rms_norm(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, double eps, const void* x,
              const void* weight, void* y, void* inv_rms) noexcept;

// With h = x * inv_rms and t = dy * weight:  dx = inv_rms * (t - h * mean_c(t * h)),  dweight[c] += dy[r,c] * h[r,c].
//   dx       (rows, cols)  of `dtype`; added to what is stored if `accumulate`, and rounded once
//   dweight  (cols)        float32 (float64 for f64); continues from its stored value row by row, so that any cut of the
//                          rows gives the same bits
void rms_norm_backward(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* x,
                       const void* weight, const void* inv_rms, const void* dy, void* dx, bool accumulate,
                       void* dweight) noexcept;

}  // namespace grpo
