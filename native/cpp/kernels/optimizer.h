#pragma once
#include "core/cpu.h"
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

struct OptimizerKernels {};

OptimizerKernels optimizer_kernels(Isa isa);

}  // namespace grpo
