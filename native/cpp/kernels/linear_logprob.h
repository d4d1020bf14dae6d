#pragma once
#include "core/cpu.h"
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

struct LogprobKernels {};

LogprobKernels logprob_kernels(Isa isa);

}  // namespace grpo
