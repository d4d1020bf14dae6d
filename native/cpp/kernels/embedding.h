#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// y[m, :] = table[ids[m], :], copied bit for bit.
//   ids    (count)          each below the number of rows of the table
//   table  row-major (rows, cols), or panels: f32 and f64 [rows/32][cols][32], bf16 [rows/32][cols/2][32] pairs (k, k+1)
//   y      (count, cols)    of `dtype`
void embedding(ThreadPool& pool, DType dtype, bool panels, std::size_t cols, const std::int32_t* ids, std::size_t count,
               const void* table, void* y) noexcept;

// sums[slots[m], :] += dy[m, :], row by row in ascending m, so that any cut of the rows gives the same bits.
//   sums  (.., cols)      float32 (float64 for f64)
//   dy    (count, cols)   of `dtype`
void embedding_backward(ThreadPool& pool, DType dtype, std::size_t cols, const std::int32_t* slots, std::size_t count,
                        const void* dy, void* sums) noexcept;

}  // namespace grpo
