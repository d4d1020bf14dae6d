#include "kernels/ceiling_simd.h"

namespace grpo {

CeilingKernels ceiling_neon() { return neon::ceiling(); }

}  // namespace grpo
