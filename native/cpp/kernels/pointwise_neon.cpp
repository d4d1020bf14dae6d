#include "kernels/pointwise_simd.h"

namespace grpo {

PointwiseKernels pointwise_neon() { return neon::fast_pointwise(); }

}  // namespace grpo
