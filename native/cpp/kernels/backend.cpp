#include "kernels/backend.h"

namespace grpo {

Backend cpu_backend(Isa isa) {
  return {linear_kernels(isa),    attention_kernels(isa), logprob_kernels(isa),
          pointwise_kernels(isa), optimizer_kernels(isa), segment_ratio_kernels(isa)};
}

}  // namespace grpo
