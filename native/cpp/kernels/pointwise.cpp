#include "kernels/pointwise.h"

namespace grpo {

PointwiseKernels pointwise_avx2();
PointwiseKernels pointwise_avx512();
PointwiseKernels pointwise_neon();

PointwiseKernels pointwise_kernels(Isa isa) {
  switch (isa) {
#if defined(GRPO_HAVE_AVX2)
    case Isa::avx2: return pointwise_avx2();
    case Isa::avx512:
    case Isa::avx512bf16:
    case Isa::amx: return pointwise_avx512();
#endif
#if defined(GRPO_HAVE_NEON)
    case Isa::neon: return pointwise_neon();
#endif
    default:
      return {rms_norm, rms_norm_backward, layer_norm, layer_norm_backward, swiglu, swiglu_backward, gelu, gelu_backward,
              embedding, embedding_backward, gather_rows, gather_slabs, gather_rows_backward};
  }
}

}  // namespace grpo
