#pragma once
#include <cstddef>

#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// target[i] = round(target[i] + weight * (source[i] - target[i])), float32 arithmetic (double for f64): an exponential moving
// average of weights when called with weight = 1 - decay. Layouts are the same, so any order of elements will do.
void blend(ThreadPool& pool, DType dtype, std::size_t count, double weight, const void* source, void* target) noexcept;

}  // namespace grpo
