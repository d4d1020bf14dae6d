#include "kernels/ceiling_simd.h"

namespace grpo {

CeilingKernels ceiling_avx512bf16() { return avx512bf16::ceiling(); }

}  // namespace grpo
