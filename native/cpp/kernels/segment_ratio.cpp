#include "kernels/segment_ratio.h"

namespace grpo {

SegmentRatioKernels segment_ratio_kernels(Isa) { return {}; }

}  // namespace grpo
