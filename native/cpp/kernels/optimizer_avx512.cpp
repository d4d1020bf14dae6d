#include "kernels/adamw_simd.h"
#include "kernels/optimizer.h"
#include "kernels/square_sums_simd.h"

namespace grpo {

OptimizerKernels optimizer_avx512() { return {avx512::adamw, avx512::square_sums}; }

}  // namespace grpo
