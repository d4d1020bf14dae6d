#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// y[i, :] = x[rows[i], :], copied bit for bit.
//   x     (.., cols)      of `dtype`
//   rows  (count)         indices into x, each at most once
//   y     (count, cols)
void gather_rows(ThreadPool& pool, DType dtype, std::size_t cols, const std::int32_t* rows, std::size_t count,
                 const void* x, void* y) noexcept;

// The same for rows that lie in slabs of `slab_rows`: y[i, :] = slabs[rows[i] / slab_rows][rows[i] % slab_rows, :].
void gather_slabs(ThreadPool& pool, DType dtype, std::size_t cols, std::size_t slab_rows, const std::int32_t* rows, std::size_t count,
                  const void* const* slabs, void* y) noexcept;

// dx[rows[i], :] = dy[i, :] and 0 in the rows that are not named; if `accumulate`, dx[rows[i], :] += dy[i, :], rounded once.
//   dx  (x_rows, cols)  of `dtype`
void gather_rows_backward(ThreadPool& pool, DType dtype, std::size_t cols, const std::int32_t* rows, std::size_t count,
                          const void* dy, std::size_t x_rows, void* dx, bool accumulate) noexcept;

}  // namespace grpo
