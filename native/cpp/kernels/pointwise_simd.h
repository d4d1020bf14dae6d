#pragma once
// The table of fast kernels. Include from instruction-set files only, once each.
#include "kernels/gelu_simd.h"
#include "kernels/layer_norm_simd.h"
#include "kernels/pointwise.h"
#include "kernels/rms_norm_simd.h"
#include "kernels/swiglu_simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

// Copies of rows are bound by memory, so the references serve.
static PointwiseKernels fast_pointwise() {
  return {rms_norm, rms_norm_backward, layer_norm, layer_norm_backward, swiglu, swiglu_backward, gelu, gelu_backward,
          grpo::embedding, grpo::embedding_backward, grpo::gather_rows, grpo::gather_slabs, grpo::gather_rows_backward};
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
