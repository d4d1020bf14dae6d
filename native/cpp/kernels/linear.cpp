#include "kernels/linear.h"

namespace grpo {

LinearKernels linear_avx2();
LinearKernels linear_avx512();
LinearKernels linear_avx512bf16();
LinearKernels linear_amx();
LinearKernels linear_neon();

LinearKernels linear_kernels(Isa isa) {
  switch (isa) {
#if defined(GRPO_HAVE_AVX2)
    case Isa::avx2: return linear_avx2();
    case Isa::avx512: return linear_avx512();
    case Isa::avx512bf16: return linear_avx512bf16();
#endif
#if defined(GRPO_HAVE_AMX)
    case Isa::amx: return linear_amx();
#endif
#if defined(GRPO_HAVE_NEON)
    case Isa::neon: return linear_neon();
#endif
    default: return linear_reference();
  }
}

}  // namespace grpo
