#include "kernels/adamw_simd.h"
#include "kernels/optimizer.h"
#include "kernels/square_sums_simd.h"

namespace grpo {

OptimizerKernels optimizer_avx2() { return {avx2::adamw, avx2::square_sums}; }

}  // namespace grpo
