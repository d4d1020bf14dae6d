#pragma once
#include "core/cpu.h"
#include "kernels/embedding.h"
#include "kernels/gather_rows.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/rms_norm.h"
#include "kernels/swiglu.h"

namespace grpo {

// Kernels that work row by row. The header of each says what it does.
struct PointwiseKernels {
  decltype(&grpo::rms_norm) rms_norm;
  decltype(&grpo::rms_norm_backward) rms_norm_backward;
  decltype(&grpo::layer_norm) layer_norm;
  decltype(&grpo::layer_norm_backward) layer_norm_backward;
  decltype(&grpo::swiglu) swiglu;
  decltype(&grpo::swiglu_backward) swiglu_backward;
  decltype(&grpo::gelu) gelu;
  decltype(&grpo::gelu_backward) gelu_backward;
  decltype(&grpo::embedding) embedding;
  decltype(&grpo::embedding_backward) embedding_backward;
  decltype(&grpo::gather_rows) gather_rows;
  decltype(&grpo::gather_slabs) gather_slabs;
  decltype(&grpo::gather_rows_backward) gather_rows_backward;
};

PointwiseKernels pointwise_kernels(Isa isa);

}  // namespace grpo
