#include "kernels/linear_simd.h"

namespace grpo {

LinearKernels linear_amx() { return amx::fast_linear(); }

}  // namespace grpo
