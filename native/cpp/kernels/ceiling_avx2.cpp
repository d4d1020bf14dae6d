#include "kernels/ceiling_simd.h"

namespace grpo {

CeilingKernels ceiling_avx2() { return avx2::ceiling(); }

}  // namespace grpo
