#pragma once
#include <cstddef>

#include "core/threads.h"

namespace grpo {

// Cuts `count` units of `cost` elements each into ranges and calls body(begin, end) for each, on several threads where a
// range is worth one. A unit's result must not depend on the cut.
template <class F>
void for_ranges(ThreadPool& pool, std::size_t count, std::size_t cost, F body) {
  constexpr std::size_t worth = 6144;  // elements; below some 2 us a fork costs more than it gives
  const std::size_t threads = static_cast<std::size_t>(pool.size()), whole = count * cost / worth;
  // As many ranges for every thread.
  std::size_t items = whole < 2 ? 1 : whole < 4 * threads ? (whole + threads - 1) / threads * threads : 4 * threads;
  if (items > count) items = count;
  if (items <= 1 || pool.size() == 1) {
    if (count > 0) body(std::size_t{0}, count);
    return;
  }
  parallel_for(pool, items, [&](std::size_t item, int) { body(count * item / items, count * (item + 1) / items); });
}

}  // namespace grpo
