#pragma once
#include <cstddef>
#include <cstdint>

#include "core/threads.h"

namespace grpo {

// out[i] = standard_deviation * Phi^-1((u_i + 0.5) / 2^32), u_i = word i % 4 of Philox block i / 4 under `key`.
// One number per element, so the values do not depend on threads. Phi^-1 is the rational approximation PPND16 of
// Wichura 1988, "Algorithm AS 241: The percentage points of the normal distribution" (relative error about 1e-16).
void fill_normal(ThreadPool& pool, std::size_t count, float standard_deviation, const std::uint32_t key[2], float* out) noexcept;

}  // namespace grpo
