#pragma once
#include "core/cpu.h"
#include "core/dtype.h"

namespace grpo {

// Importance ratio of a segment of actions: the geometric mean of its actions' ratios
//   s = exp( min(cap, 1/|segment| sum_{t in segment, mask} (logp_t - old_t)) )
// (Zheng et al. 2025, "Group Sequence Policy Optimization", arXiv 2507.18071, eq. 7), or their product without 1/|segment|. A segment
// of one action gives PPO's ratio. Sums run over the actions in order.
//   logp, old, dratio, ratio, log_ratio, count, dlogp   (n) type A
//   mask       (n) 1 = the action counts
//   segments   (n) id >= 0 in any order, with gaps; -1 = none
struct RatioOptions {
  bool mean;
  double cap;  // upper bound of the segment's log ratio; +inf = none
};

// Clipped against [1 - epsilon_low, 1 + epsilon_high] where the advantage makes the clip binding: low = ratio below with a
// negative advantage, high = ratio above with a positive one.
struct ClipCounts {
  std::size_t low, high, total;
};

template <class A>
struct SegmentRatio {
  // Per action its segment's ratio (1 where none), log ratio (0) and number of actions that count (0).
  void (*forward)(std::size_t n, const A* logp, const A* old, const std::uint8_t* mask, const std::int32_t* segments, const RatioOptions&,
                  A* ratio, A* log_ratio, A* count);
  // dlogp_u = s / |segment| sum_{t in segment} dratio_t for actions that count, else 0; 0 where the cap holds. `/ |segment|`
  // only for the mean.
  void (*backward)(std::size_t n, const A* dratio, const A* ratio, const A* log_ratio, const A* count, const std::uint8_t* mask,
                   const std::int32_t* segments, const RatioOptions&, A* dlogp);
  // Counts over actions, and over segments with the advantage of the segment's first action.
  void (*clip)(std::size_t n, const A* ratio, const std::uint8_t* mask, const std::int32_t* segments, const A* advantage, double epsilon_low,
               double epsilon_high, ClipCounts* actions, ClipCounts* segment_counts);
};

struct SegmentRatioKernels {
  SegmentRatio<float> f32;
  SegmentRatio<double> f64;
};

SegmentRatioKernels segment_ratio_kernels(Isa isa);

}  // namespace grpo
