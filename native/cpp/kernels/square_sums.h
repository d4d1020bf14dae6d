#pragma once
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

constexpr std::size_t kSquareChunk = 4096;

// sums[j] = sum of values[i]^2 over the j-th chunk of 4096 elements, in float64: lane i mod 16 in ascending order, then the lane
// tree of kernels/lanes.h. Added in order by the caller, they give a norm that does not depend on threads.
//   values  (count)                       f32 or f64
//   sums    (count / 4096, rounded up)
void square_sums(ThreadPool& pool, DType dtype, std::size_t count, const void* values, double* sums) noexcept;

}  // namespace grpo
