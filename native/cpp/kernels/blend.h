#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// target[i] = round(target[i] + weight * (source[i] - target[i])), float32 arithmetic (double for f64): an exponential moving
// average of weights when called with weight = 1 - decay. Layouts are the same, so any order of elements will do.
//   low   bf16 only: the other 16 bits of the averages' float32 masters, as in kernels/adamw.h. Without them a step below half
//         a unit in the last place, 1/512 to 1/256 of the average, is lost: with decay 0.999 nearly every one
void blend(ThreadPool& pool, DType dtype, std::size_t count, double weight, const void* source, void* target,
           std::uint16_t* low) noexcept;

constexpr std::size_t kDistanceChunk = 1 << 16;

// sums[j] = sum of (a[i] - b[i])^2 over the j-th chunk of 65536 elements, in float64: lane i mod 16 in ascending order, then the
// lane tree of kernels/lanes.h. Added in order by the caller, they give a distance that does not depend on threads.
void square_distances(ThreadPool& pool, DType dtype, std::size_t count, const void* a, const void* b, double* sums) noexcept;

}  // namespace grpo
