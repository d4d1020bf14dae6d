#pragma once
#include "core/cpu.h"
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

struct PointwiseKernels {};

PointwiseKernels pointwise_kernels(Isa isa);

}  // namespace grpo
