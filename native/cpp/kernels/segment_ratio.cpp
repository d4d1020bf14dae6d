#include "kernels/segment_ratio.h"

#include <unordered_map>
#include <vector>

#include "core/math.h"

namespace grpo {
namespace {

// Index 0.. of each action's segment in order of first appearance, -1 where it does not count.
struct Index {
  std::vector<std::int32_t> of;
  std::size_t count = 0;

  Index(std::size_t n, const std::uint8_t* mask, const std::int32_t* segments) : of(n, -1) {
    std::int32_t top = -1;
    for (std::size_t t = 0; t < n; ++t) top = segments[t] > top ? segments[t] : top;
    const bool dense = top < 0 || static_cast<std::size_t>(top) < 4 * n + 64;
    std::vector<std::int32_t> table(dense ? static_cast<std::size_t>(top + 1) : 0, -1);
    std::unordered_map<std::int32_t, std::int32_t> sparse;
    for (std::size_t t = 0; t < n; ++t) {
      if (!mask[t] || segments[t] < 0) continue;
      std::int32_t& known = dense ? table[static_cast<std::size_t>(segments[t])] : sparse.try_emplace(segments[t], -1).first->second;
      if (known < 0) known = static_cast<std::int32_t>(count++);
      of[t] = known;
    }
  }
};

template <class A>
void forward(std::size_t n, const A* logp, const A* old, const std::uint8_t* mask, const std::int32_t* segments, const RatioOptions& options,
             A* ratio, A* log_ratio, A* count) {
  const Index index(n, mask, segments);
  std::vector<A> sum(index.count), size(index.count), value(index.count);
  for (std::size_t t = 0; t < n; ++t) {
    if (index.of[t] < 0) continue;
    sum[index.of[t]] += logp[t] - old[t];
    size[index.of[t]] += 1;
  }
  for (std::size_t s = 0; s < index.count; ++s) {
    if (options.mean) sum[s] /= size[s];
    if (sum[s] > static_cast<A>(options.cap)) sum[s] = static_cast<A>(options.cap);
    value[s] = exp_own(sum[s]);
  }
  for (std::size_t t = 0; t < n; ++t) {
    const std::int32_t s = index.of[t];
    ratio[t] = s < 0 ? A(1) : value[s];
    log_ratio[t] = s < 0 ? A(0) : sum[s];
    count[t] = s < 0 ? A(0) : size[s];
  }
}

template <class A>
void backward(std::size_t n, const A* dratio, const A* ratio, const A* log_ratio, const A* count, const std::uint8_t* mask,
              const std::int32_t* segments, const RatioOptions& options, A* dlogp) {
  const Index index(n, mask, segments);
  std::vector<A> sum(index.count);
  for (std::size_t t = 0; t < n; ++t)
    if (index.of[t] >= 0) sum[index.of[t]] += dratio[t];
  for (std::size_t t = 0; t < n; ++t) {
    const std::int32_t s = index.of[t];
    const bool live = s >= 0 && log_ratio[t] < static_cast<A>(options.cap);
    dlogp[t] = live ? sum[s] * ratio[t] / (options.mean ? count[t] : A(1)) : A(0);
  }
}

template <class A>
void clip(std::size_t n, const A* ratio, const std::uint8_t* mask, const std::int32_t* segments, const A* advantage, double epsilon_low,
          double epsilon_high, ClipCounts* actions, ClipCounts* segment_counts) {
  const Index index(n, mask, segments);
  std::size_t seen = 0;
  *actions = *segment_counts = {0, 0, 0};
  const auto tally = [&](ClipCounts& c, std::size_t t) {
    c.low += ratio[t] < 1 - epsilon_low && advantage[t] < 0;
    c.high += ratio[t] > 1 + epsilon_high && advantage[t] > 0;
    c.total += 1;
  };
  for (std::size_t t = 0; t < n; ++t) {
    if (index.of[t] < 0) continue;
    tally(*actions, t);
    if (static_cast<std::size_t>(index.of[t]) == seen) {
      tally(*segment_counts, t);
      seen += 1;
    }
  }
}

template <class A>
constexpr SegmentRatio<A> kKernels{forward<A>, backward<A>, clip<A>};

}  // namespace

SegmentRatioKernels segment_ratio_kernels(Isa) { return {kKernels<float>, kKernels<double>}; }

}  // namespace grpo
