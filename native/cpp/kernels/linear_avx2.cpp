#include "kernels/linear_simd.h"

namespace grpo {

LinearKernels linear_avx2() { return avx2::fast_linear(); }

}  // namespace grpo
