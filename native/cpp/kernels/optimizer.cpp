#include "kernels/optimizer.h"

namespace grpo {

OptimizerKernels optimizer_avx2();
OptimizerKernels optimizer_avx512();
OptimizerKernels optimizer_neon();

OptimizerKernels optimizer_kernels(Isa isa) {
  switch (isa) {
#if defined(GRPO_HAVE_AVX2)
    case Isa::avx2: return optimizer_avx2();
    case Isa::avx512:
    case Isa::avx512bf16:
    case Isa::amx: return optimizer_avx512();
#endif
#if defined(GRPO_HAVE_NEON)
    case Isa::neon: return optimizer_neon();
#endif
    default: return {adamw, square_sums};
  }
}

}  // namespace grpo
