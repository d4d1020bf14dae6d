#include "kernels/adamw_simd.h"
#include "kernels/optimizer.h"
#include "kernels/square_sums_simd.h"

namespace grpo {

OptimizerKernels optimizer_neon() { return {neon::adamw, neon::square_sums}; }

}  // namespace grpo
