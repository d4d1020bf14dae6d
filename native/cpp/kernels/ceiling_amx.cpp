#include "kernels/ceiling_simd.h"

namespace grpo {

CeilingKernels ceiling_amx() { return amx::ceiling(); }

}  // namespace grpo
