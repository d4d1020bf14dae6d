#include "kernels/linear_simd.h"

namespace grpo {

LinearKernels linear_neon() { return neon::fast_linear(); }

}  // namespace grpo
