#include "kernels/linear_gradient_amx.h"
#include "kernels/linear_simd.h"
#include "kernels/weight_product_amx.h"

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

// dx = dy W, or dx + dy W with `accumulate`.
static void input_gradient_amx(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const float* dy, const float* w, float* dx,
                               bool accumulate) {
  if (M == 0) return;
  const ItemCut cut(M, K, static_cast<std::size_t>(pool.size()));
  const std::size_t own = (cut.work_words() + cut.most_results() * 32 * 32) * 4;
  reserve(pool, own);
  for_items(pool, M * N * K, cut.items(), [&](std::size_t i, int thread) {
    const ItemCut::Item item = cut.item(i);
    std::uint32_t* const work = static_cast<std::uint32_t*>(pool.scratch(thread, own));
    float* const sums = reinterpret_cast<float*>(work + cut.work_words());
    multiply_item<Product::input_gradient>(item, M, N, K, dy, N, w, work, sums, item.tiles, false);
    for (std::size_t j = 0; j < item.panels * item.tiles; ++j) {
      alignas(64) float c[32 * 32];
      turn_tile(sums + j * 32 * 32, c);
      const std::size_t k = 32 * (item.panel + j / item.tiles), m = 32 * (item.tile + j % item.tiles);
      float* const to = dx + m * K + k;
      store_tile<float>(at_most(M - m, 32), at_most(K - k, 32), c, nullptr, accumulate ? to : nullptr, to, K);
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
