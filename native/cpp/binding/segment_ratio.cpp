#include "binding/args.h"

namespace grpo {
namespace {

// segmentRatio(logp, old, mask, segments, mean, cap, ratio, logRatio, count)
void forward(const Napi::CallbackInfo& info) {
  const Args a(info, "segmentRatio");
  std::size_t n = 0;
  const double* logp = a.array<double>(0, "logp", &n);
  const double* old = a.array<double>(1, "old", n);
  const auto* mask = a.array<std::uint8_t>(2, "mask", n);
  const auto* segments = a.array<std::int32_t>(3, "segments", n);
  a.backend().segment_ratio.f64.forward(n, logp, old, mask, segments, {a.flag(4), a.number(5, "cap")}, a.array<double>(6, "ratio", n),
                                        a.array<double>(7, "logRatio", n), a.array<double>(8, "count", n));
}

// segmentRatioBackward(dratio, ratio, logRatio, count, mask, segments, mean, cap, dlogp)
void backward(const Napi::CallbackInfo& info) {
  const Args a(info, "segmentRatioBackward");
  std::size_t n = 0;
  const double* dratio = a.array<double>(0, "dratio", &n);
  const double* ratio = a.array<double>(1, "ratio", n);
  const double* log_ratio = a.array<double>(2, "logRatio", n);
  const double* count = a.array<double>(3, "count", n);
  const auto* mask = a.array<std::uint8_t>(4, "mask", n);
  const auto* segments = a.array<std::int32_t>(5, "segments", n);
  a.backend().segment_ratio.f64.backward(n, dratio, ratio, log_ratio, count, mask, segments, {a.flag(6), a.number(7, "cap")},
                                         a.array<double>(8, "dlogp", n));
}

// segmentClipStats(ratio, mask, segments, advantage, epsilonLow, epsilonHigh, counts): counts = low, high, total of actions, then of segments
void clip(const Napi::CallbackInfo& info) {
  const Args a(info, "segmentClipStats");
  std::size_t n = 0;
  const double* ratio = a.array<double>(0, "ratio", &n);
  const auto* mask = a.array<std::uint8_t>(1, "mask", n);
  const auto* segments = a.array<std::int32_t>(2, "segments", n);
  const double* advantage = a.array<double>(3, "advantage", n);
  double* out = a.array<double>(6, "counts", 6);
  ClipCounts actions, by_segment;
  a.backend().segment_ratio.f64.clip(n, ratio, mask, segments, advantage, a.number(4, "epsilonLow"), a.number(5, "epsilonHigh"), &actions,
                                     &by_segment);
  const std::size_t counts[6] = {actions.low, actions.high, actions.total, by_segment.low, by_segment.high, by_segment.total};
  for (int i = 0; i < 6; ++i) out[i] = static_cast<double>(counts[i]);
}

}  // namespace

void register_segment_ratio(Napi::Env env, Napi::Object exports) {
  expose(env, exports, "segmentRatio", forward);
  expose(env, exports, "segmentRatioBackward", backward);
  expose(env, exports, "segmentClipStats", clip);
}

}  // namespace grpo
