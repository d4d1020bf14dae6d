#include "kernels/pointwise_simd.h"

namespace grpo {

PointwiseKernels pointwise_avx2() { return avx2::fast_pointwise(); }

}  // namespace grpo
