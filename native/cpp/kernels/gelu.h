#pragma once
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// Exact:  y = x / 2 * (1 + erf(x / sqrt 2)).
// `tanh`: y = x / 2 * (1 + tanh(z)) = x / (1 + exp(-2 z)),  z = sqrt(2 / pi) * (x + 0.044715 x^3).
//   x, y  (count)  of `dtype`
// Computed in float32 (float64 for f64), rounded once when stored.
// Source: Hendrycks & Gimpel 2016, "Gaussian Error Linear Units", section 2; the two forms of torch.nn.GELU.
void gelu(ThreadPool& pool, DType dtype, std::size_t count, bool tanh, const void* x, void* y) noexcept;

// dx = dy * dy/dx; added to what is stored if `accumulate`, and rounded once.
void gelu_backward(ThreadPool& pool, DType dtype, std::size_t count, bool tanh, const void* x, const void* dy, void* dx,
                   bool accumulate) noexcept;

}  // namespace grpo
