#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// One step of AdamW on one parameter, element by element, with g = grad_scale * grad:
//   w *= keep                       keep = 1 - learning_rate * weight_decay
//   m += (1 - beta1) * (g - m)
//   v  = beta2 * v + (1 - beta2) * g^2
//   w -= step_size * m / (sqrt(v) * root_scale + epsilon)
//        step_size = learning_rate / (1 - beta1^t),  root_scale = 1 / sqrt(1 - beta2^t)
// Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2, in the order of torch.optim.AdamW.
struct AdamWStep {
  double keep, beta1, beta2, step_size, root_scale, epsilon, grad_scale;
  double dither;  // in [0, 1), different at each step: decides how 8-bit moments round
};

// Where the numbers of a parameter are. Memory is walked in panels of `length` gradient elements (a matrix row by row and a
// vector are one panel), each in blocks of 256 that are independent of each other.
//   weight  f32 or f64 in the order of the gradient; bf16 as well, or if `pairs` as [length/64][32] words of (k, k+1), where the
//           gradient is [length/32][32] (an odd last k is padded)
//   low     bf16 only, in the order of the weight: the float32 master is (weight << 16) + low, low as a signed number, and the
//           weight is the master rounded half up, so that together they hold each master bit once
//   grad    float32, float64 for f64
//   m, v    like grad, or 8-bit codes if `scales` is not null
//   scales  (panels, blocks of a panel, 2): the largest |m| and v of a block, to which its codes are relative:
//           m = sign(q) (q / 127)^2 scale, stored as q + 128;  v = (q / 255)^4 scale.
// The power codes keep 4 decades of m and 9 of v in a block. A number between two codes goes to the upper one if its share of
// the way exceeds a dither that is equidistributed over steps and elements, so that slow averages move and stay unbiased; a v
// above 0 never rounds to 0. Source of block-wise 8-bit moments: Dettmers et al. 2022, "8-bit Optimizers via Block-wise
// Quantization", whose dynamic tree code is replaced by the power code, which needs no table.
struct AdamWMemory {
  DType dtype;
  bool pairs;
  std::size_t panels, length;
  void* weight;
  std::uint16_t* low;
  const void* grad;
  void* m;
  void* v;
  float* scales;
};

constexpr std::size_t kAdamWBlock = 256;

constexpr std::size_t adamw_blocks(std::size_t length) { return (length + kAdamWBlock - 1) / kAdamWBlock; }

void adamw(ThreadPool& pool, const AdamWStep& step, const AdamWMemory& memory) noexcept;

// The reference on one block of one panel; fast forms leave them the blocks that are no multiple of 16.
void adamw_block(const AdamWStep& step, const AdamWMemory& memory, std::size_t panel, std::size_t block) noexcept;

}  // namespace grpo
