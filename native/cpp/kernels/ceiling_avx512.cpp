#include "kernels/ceiling_simd.h"

namespace grpo {

CeilingKernels ceiling_avx512() { return avx512::ceiling(); }

}  // namespace grpo
