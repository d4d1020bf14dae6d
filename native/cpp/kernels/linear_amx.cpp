#include "kernels/linear_gradient_amx.h"
#include "kernels/linear_simd.h"

namespace grpo {

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
