#include "kernels/linear_simd.h"

namespace grpo {

LinearKernels linear_avx512() { return avx512::fast_linear(); }

}  // namespace grpo
