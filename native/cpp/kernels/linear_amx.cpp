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

constexpr std::size_t kPassTiles = 8;         // of 32 rows, that share a pass over W
constexpr std::size_t kPassSpan = 2;          // blocks of them that all panels meet before the next ones
constexpr std::size_t kPassSums = 512 << 10;  // bytes of results that wait for further blocks

static_assert(kPassSpan <= kMostSpan);

// dx = dy W, or dx + dy W with `accumulate`.
static void input_gradient_amx(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const float* dy, const float* w, float* dx,
                               bool accumulate) {
  if (M == 0) return;
  const std::size_t threads = static_cast<std::size_t>(pool.size()), panels = (K + 31) / 32, blocks = (N + 31) / 32, all = (M + 31) / 32;
  const std::size_t passes = (all + kPassTiles - 1) / kPassTiles, most = (all + passes - 1) / passes, work = M * N * K;
  // As many runs of panels for every thread.
  const std::size_t room = kPassSums / (most * 32 * 32 * sizeof(float)), rounds = (panels + room * threads - 1) / (room * threads);
  const std::size_t runs = at_most(panels, rounds * threads), run = (panels + runs - 1) / runs;
  const std::size_t a_words = 2 * kPassSpan * kBlockWords<float>, own = (a_words + run * most * 32 * 32) * 4;
  for (int t = 0; t < pool.size(); ++t) pool.scratch(t, own);
  std::uint32_t* const packed = static_cast<std::uint32_t*>(pool.scratch(0, own + most * blocks * kBlockWords<float> * 4)) + own / 4;
  for (std::size_t pass = 0; pass < passes; ++pass) {
    const std::size_t first = cut(all, passes, pass), tiles = cut(all, passes, pass + 1) - first, begin = 32 * first;
    for_items(pool, work, tiles * blocks, [&](std::size_t i, int) {
      const std::size_t m = begin + i / blocks * 32, n = i % blocks * 32;
      pack_turned(M - m, N - n, dy + m * N + n, N, packed + i * kBlockWords<float>);
    });
    for_items(pool, work, runs, [&](std::size_t item, int thread) {
      const std::size_t p0 = cut(panels, runs, item), p1 = cut(panels, runs, item + 1);
      std::uint32_t* const a = static_cast<std::uint32_t*>(pool.scratch(thread, own));
      float* const sums = reinterpret_cast<float*>(a + a_words);
      multiply_spans(w, K, p0, p1, blocks, kPassSpan, tiles, packed, a, sums, tiles, false);
      for (std::size_t i = 0; i < (p1 - p0) * tiles; ++i) {
        alignas(64) float c[32 * 32];
        turn_tile(sums + i * 32 * 32, c);
        const std::size_t p = p0 + i / tiles, m = begin + i % tiles * 32;
        float* const to = dx + m * K + 32 * p;
        store_tile<float>(at_most(M - m, 32), at_most(K - 32 * p, 32), c, nullptr, accumulate ? to : nullptr, to, K);
      }
    });
  }
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
