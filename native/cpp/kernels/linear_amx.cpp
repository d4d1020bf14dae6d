#include "kernels/linear_gradient_amx.h"
#include "kernels/linear_simd.h"

namespace grpo {
namespace amx {

template <class T>
static void weight_gradient_amx(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const T* x, const T* dy, float* dw,
                                bool accumulate, PendingRows* pending) {
  const std::size_t before = pending ? pending->count : 0, rows = before + M, blocks = gradient_blocks(pending, rows);
  T* const kept_x = pending ? static_cast<T*>(pending->x) : nullptr;
  T* const kept_dy = pending ? static_cast<T*>(pending->dy) : nullptr;
  if (blocks > 0)
    weight_gradient_blocks<T>(pool, blocks, {kept_x, K, before, x, K, rows, K}, {kept_dy, N, before, dy, N, rows, N}, dw, accumulate);
  else if (!accumulate)
    std::memset(dw, 0, (N + 31) / 32 * 32 * K * sizeof(float));
  if (!pending) return;
  keep_rows(before, M, blocks, K, x, K, kept_x, K);
  keep_rows(before, M, blocks, N, dy, N, kept_dy, N);
  pending->count = pending->close ? 0 : rows - blocks * kGradientBlock;
}

constexpr std::size_t kInputSpan = 2;           // blocks of n that all panels meet before the next ones
constexpr std::size_t kInputSums = 1024 << 10;  // bytes of results that wait for further blocks, in L2

static_assert(kInputSpan <= kMostSpan);

// How the tiles of 32 rows and the panels of 32 columns of an input gradient are cut into items.
struct InputCut {
  std::size_t groups, runs;  // of tiles, of panels
};
// The least cost, in products of blocks: every group of tiles converts the weights, which is half hidden behind products, every run of panels
// packs the rows, which is not. Fewer than four tiles are done before memory brings the weights, so groups are no smaller. As many items
// for every thread.
static InputCut input_cut(std::size_t tiles, std::size_t panels, std::size_t threads) {
  constexpr double convert = 0.5, pack = 4;
  InputCut best{1, panels};
  double least = 1e300;
  for (std::size_t groups = 1; groups == 1 || 4 * groups <= tiles; ++groups) {
    const std::size_t most = (tiles + groups - 1) / groups, room = kInputSums / (most * 32 * 32 * sizeof(float));
    if (room == 0) continue;
    std::size_t runs = (panels + room - 1) / room;
    while (groups * runs % threads != 0 && runs < panels) ++runs;
    const double t = static_cast<double>(most), p = static_cast<double>((panels + runs - 1) / runs);
    const double cost = static_cast<double>((groups * runs + threads - 1) / threads) * (t * p + convert * p + pack * t);
    if (cost < least) best = {groups, runs}, least = cost;
  }
  return best;
}

// dx = dy W, or dx + dy W with `accumulate`.
static void input_gradient_amx(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const float* dy, const float* w, float* dx,
                               bool accumulate) {
  if (M == 0) return;
  constexpr std::size_t span_words = kInputSpan * kBlockWords<float>;
  const std::size_t panels = (K + 31) / 32, blocks = (N + 31) / 32, all = (M + 31) / 32;
  const auto [groups, runs] = input_cut(all, panels, static_cast<std::size_t>(pool.size()));
  const std::size_t most = (all + groups - 1) / groups, run = (panels + runs - 1) / runs, own = ((2 + most) * span_words + run * most * 32 * 32) * 4;
  reserve(pool, own);
  for_items(pool, M * N * K, groups * runs, [&, groups = groups, runs = runs](std::size_t item, int thread) {
    const std::size_t t0 = cut(all, groups, item / runs), tiles = cut(all, groups, item / runs + 1) - t0;
    const std::size_t p0 = cut(panels, runs, item % runs), p1 = cut(panels, runs, item % runs + 1);
    std::uint32_t *const a = static_cast<std::uint32_t*>(pool.scratch(thread, own)), *const b = a + 2 * span_words;
    float* const sums = reinterpret_cast<float*>(b + most * span_words);
    for (std::size_t n = 0; n < blocks; n += kInputSpan) {
      const std::size_t count = at_most(blocks - n, kInputSpan);
      for (std::size_t t = 0; t < tiles; ++t)
        for (std::size_t i = 0; i < count; ++i) {
          const std::size_t m = 32 * (t0 + t), first = 32 * (n + i);
          pack_turned(M - m, N - first, dy + m * N + first, N, b + (t * count + i) * kBlockWords<float>);
        }
      // The rows' next span, fetched by the steps together.
      const std::size_t lines = 32 * kInputSpan * sizeof(float) / 64, rows = at_most(32 * tiles, M - 32 * t0);
      std::size_t line = n + count < blocks ? 0 : rows * lines;
      const char* const later = reinterpret_cast<const char*>(dy + 32 * t0 * N + 32 * (n + count));
      const std::size_t share = (32 * lines + (p1 - p0) * count * kBlockSteps<float> - 1) / ((p1 - p0) * count * kBlockSteps<float>);
      multiply_span(w, K, p0, p1, n, count, tiles, b, count * kBlockWords<float>, a, sums, tiles, n > 0, [&]() __attribute__((always_inline)) {
        for (const std::size_t end = at_most(line + share, rows * lines); line < end; ++line)
          __builtin_prefetch(later + line / lines * N * sizeof(float) + line % lines * 64, 0, 2);
      });
    }
    for (std::size_t i = 0; i < (p1 - p0) * tiles; ++i) {
      alignas(64) float c[32 * 32];
      turn_tile(sums + i * 32 * 32, c);
      const std::size_t p = p0 + i / tiles, m = 32 * (t0 + i % tiles);
      float* const to = dx + m * K + 32 * p;
      store_tile<float>(at_most(M - m, 32), at_most(K - 32 * p, 32), c, nullptr, accumulate ? to : nullptr, to, K);
    }
  });
}

}  // namespace amx

LinearKernels linear_amx() {
  LinearKernels kernels = amx::fast_linear();
  static const auto others = kernels;
  kernels.input_gradient = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, std::size_t K, const void* dy, const void* w,
                              void* dx, bool accumulate) {
    if (dtype == DType::f32 && K >= amx::kSplitWidth)
      amx::input_gradient_amx(pool, M, N, K, static_cast<const float*>(dy), static_cast<const float*>(w), static_cast<float*>(dx),
                              accumulate);
    else others.input_gradient(pool, dtype, M, N, K, dy, w, dx, accumulate);
  };
  kernels.weight_gradient = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, std::size_t K, const void* x, const void* dy,
                               void* dw, bool accumulate, PendingRows* pending) {
    if (dtype == DType::bf16)
      amx::weight_gradient_amx(pool, M, N, K, static_cast<const bf16*>(x), static_cast<const bf16*>(dy), static_cast<float*>(dw),
                               accumulate, pending);
    else if (dtype == DType::f32 && K >= amx::kSplitWidth)
      amx::weight_gradient_amx(pool, M, N, K, static_cast<const float*>(x), static_cast<const float*>(dy), static_cast<float*>(dw),
                               accumulate, pending);
    else others.weight_gradient(pool, dtype, M, N, K, x, dy, dw, accumulate, pending);
  };
  kernels.gradient_block = [](DType dtype, std::size_t K) {
    return dtype == DType::bf16 || (dtype == DType::f32 && K >= amx::kSplitWidth) ? amx::kGradientBlock : std::size_t{1};
  };
  return kernels;
}

}  // namespace grpo
