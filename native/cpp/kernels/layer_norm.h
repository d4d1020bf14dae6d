#pragma once
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// y[r,c] = (x[r,c] - mean[r]) * inv_std[r] * weight[c] + bias[c]
// mean[r] = mean_c x[r,c],  inv_std[r] = 1 / sqrt(mean_c (x[r,c] - mean[r])^2 + eps)
//   x, y     (rows, cols)  row-major, of `dtype`
//   weight   (cols)        of `dtype`
//   bias     (cols)        of `dtype`, or null for none
//   stats    (2, rows)     mean, then inv_std; float32 (float64 for f64), kept for layer_norm_backward
// Computed in float32 (float64 for f64), rounded once when stored; sums by the lane tree of kernels/lanes.h.
// Source: Ba, Kiros & Hinton 2016, "Layer Normalization", eq. (4), with eps as in PyTorch.
void layer_norm(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, double eps, const void* x,
                const void* weight, const void* bias, void* y, void* stats) noexcept;

// With h = (x - mean) * inv_std and t = dy * weight:
//   dx = inv_std * (t - mean_c(t) - h * mean_c(t * h)),  dweight[c] += dy[r,c] * h[r,c],  dbias[c] += dy[r,c].
//   dx              (rows, cols)  of `dtype`; added to what is stored if `accumulate`, and rounded once
//   dweight, dbias  (cols)        float32 (float64 for f64); continue from their stored values row by row; dbias may be null
void layer_norm_backward(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* x,
                         const void* weight, const void* stats, const void* dy, void* dx, bool accumulate,
                         void* dweight, void* dbias) noexcept;

}  // namespace grpo
