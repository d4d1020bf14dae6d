#pragma once
#include "core/cpu.h"
#include "kernels/embedding.h"
#include "kernels/gather_rows.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/rms_norm.h"
#include "kernels/swiglu.h"

namespace grpo {

// Kernels that work row by row. Each field starts as the reference; its header says what it does.
struct PointwiseKernels {
  decltype(&grpo::rms_norm) rms_norm = &grpo::rms_norm;
  decltype(&grpo::rms_norm_backward) rms_norm_backward = &grpo::rms_norm_backward;
  decltype(&grpo::layer_norm) layer_norm = &grpo::layer_norm;
  decltype(&grpo::layer_norm_backward) layer_norm_backward = &grpo::layer_norm_backward;
  decltype(&grpo::swiglu) swiglu = &grpo::swiglu;
  decltype(&grpo::swiglu_backward) swiglu_backward = &grpo::swiglu_backward;
  decltype(&grpo::gelu) gelu = &grpo::gelu;
  decltype(&grpo::gelu_backward) gelu_backward = &grpo::gelu_backward;
  decltype(&grpo::embedding) embedding = &grpo::embedding;
  decltype(&grpo::embedding_backward) embedding_backward = &grpo::embedding_backward;
  decltype(&grpo::gather_rows) gather_rows = &grpo::gather_rows;
  decltype(&grpo::gather_rows_backward) gather_rows_backward = &grpo::gather_rows_backward;
};

PointwiseKernels pointwise_kernels(Isa isa);

}  // namespace grpo
