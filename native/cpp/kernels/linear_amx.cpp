#include "kernels/linear_gradient_amx.h"
#include "kernels/linear_simd.h"

namespace grpo {
namespace amx {

static void weight_gradient_amx(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const bf16* x, const bf16* dy, float* dw,
                                bool accumulate, PendingRows* pending) {
  const std::size_t before = pending ? pending->count : 0, rows = before + M, blocks = gradient_blocks(pending, rows);
  bf16* const kept_x = pending ? static_cast<bf16*>(pending->x) : nullptr;
  bf16* const kept_dy = pending ? static_cast<bf16*>(pending->dy) : nullptr;
  if (blocks > 0)
    weight_gradient_blocks(pool, blocks, N, K, {kept_x, K, before, x, K, rows, K}, {kept_dy, N, before, dy, N, rows, N}, dw, accumulate);
  else if (!accumulate)
    std::memset(dw, 0, (N + 31) / 32 * 32 * K * sizeof(float));
  if (!pending) return;
  keep_rows(before, M, blocks, K, x, K, kept_x, K);
  keep_rows(before, M, blocks, N, dy, N, kept_dy, N);
  pending->count = pending->close ? 0 : rows - blocks * kGradientBlock;
}

}  // namespace amx

LinearKernels linear_amx() {
  LinearKernels kernels = amx::fast_linear();
  static const auto in_float32 = kernels.weight_gradient;
  kernels.weight_gradient = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, std::size_t K, const void* x, const void* dy,
                               void* dw, bool accumulate, PendingRows* pending) {
    if (dtype != DType::bf16) return in_float32(pool, dtype, M, N, K, x, dy, dw, accumulate, pending);
    amx::weight_gradient_amx(pool, M, N, K, static_cast<const bf16*>(x), static_cast<const bf16*>(dy), static_cast<float*>(dw), accumulate,
                             pending);
  };
  kernels.gradient_block = [](DType dtype) { return dtype == DType::bf16 ? amx::kGradientBlock : std::size_t{1}; };
  return kernels;
}

}  // namespace grpo
