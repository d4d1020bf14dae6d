#include "kernels/linear_simd.h"

namespace grpo {

LinearKernels linear_avx512bf16() { return avx512bf16::fast_linear(); }

}  // namespace grpo
