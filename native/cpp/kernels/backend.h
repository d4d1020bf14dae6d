#pragma once
#include "core/cpu.h"
#include "kernels/linear.h"
#include "kernels/linear_logprob.h"
#include "kernels/optimizer.h"
#include "kernels/pointwise.h"
#include "kernels/segment_ratio.h"
#include "kernels/tree_attention.h"

namespace grpo {

// The kernel table of a device. CPU and CUDA fill the same table; nothing above it knows which.
struct Backend {
  LinearKernels linear;
  AttentionKernels attention;
  LogprobKernels logprob;
  PointwiseKernels pointwise;
  OptimizerKernels optimizer;
  SegmentRatioKernels segment_ratio;
};

Backend cpu_backend(Isa isa);

}  // namespace grpo
