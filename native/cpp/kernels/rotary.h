#pragma once
#include "kernels/tree_attention.h"

namespace grpo {

// The reference form; see AttentionKernels::rotary. Sums over a head take sixteen lanes (element i in lane i % 16) and a fixed
// lane tree, like the fast forms.
void rotary(ThreadPool&, DType, const RotaryShape&, const void* table, const void* q_norm, const void* k_norm, const void* x, void* y);
void rotary_backward(ThreadPool&, DType, const RotaryShape&, const void* table, const void* q_norm, const void* k_norm, const void* x,
                     const void* dy, void* dx, bool accumulate, void* dq_norm, void* dk_norm);

}  // namespace grpo
