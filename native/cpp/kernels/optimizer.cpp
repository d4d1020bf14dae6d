#include "kernels/optimizer.h"

namespace grpo {

OptimizerKernels optimizer_kernels(Isa) { return {}; }

}  // namespace grpo
