#include "kernels/linear.h"

namespace grpo {

LinearKernels linear_kernels(Isa) { return linear_reference(); }

}  // namespace grpo
