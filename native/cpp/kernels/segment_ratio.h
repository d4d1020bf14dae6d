#pragma once
#include "core/cpu.h"
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

struct SegmentRatioKernels {};

SegmentRatioKernels segment_ratio_kernels(Isa isa);

}  // namespace grpo
