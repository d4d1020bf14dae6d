#pragma once
#include "core/cpu.h"
#include "kernels/adamw.h"
#include "kernels/square_sums.h"

namespace grpo {

// Kernels that walk the linear memory of a parameter. The header of each says what it does.
struct OptimizerKernels {
  decltype(&grpo::adamw) adamw;
  decltype(&grpo::square_sums) square_sums;
};

OptimizerKernels optimizer_kernels(Isa isa);

}  // namespace grpo
