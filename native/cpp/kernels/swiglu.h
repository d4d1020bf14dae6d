#pragma once
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// y = gate * s * up,  s = 1 / (1 + exp(-gate))
//   gate_up  (rows, 2 * cols)  row-major, of `dtype`: the gates of a row, then its ups
//   y        (rows, cols)      of `dtype`
// Computed in float32 (float64 for f64), rounded once when stored.
// Source: Shazeer 2020, "GLU Variants Improve Transformer", eq. (6), with Swish_1 = SiLU.
void swiglu(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* gate_up, void* y) noexcept;

// dgate = dy * up * s * (1 + gate * (1 - s)),  dup = dy * gate * s
//   dgate_up  (rows, 2 * cols)  of `dtype`; added to what is stored if `accumulate`, and rounded once
void swiglu_backward(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* gate_up,
                     const void* dy, void* dgate_up, bool accumulate) noexcept;

}  // namespace grpo
