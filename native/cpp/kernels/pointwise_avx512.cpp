#include "kernels/pointwise_simd.h"

namespace grpo {

PointwiseKernels pointwise_avx512() { return avx512::fast_pointwise(); }

}  // namespace grpo
