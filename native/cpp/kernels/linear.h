#pragma once
// Linear layers on packed panels (kernels/panels.h): y = x W^T, its two gradients, and sums beside them.
//   x, dx      (M, K)  row-major, model type
//   y, dy      (M, N)  row-major, model type; y may be float32 in a bf16 model
//   w          (N, K)  panels, model type
//   dw         (N, K)  panels, float32 (f64 for f64), without pairs
//   bias       (N)     model type; dbias float32 (f64 for f64)
// Accumulation (docs/design.md, rules 1 and 2): every output element is one chain of fused multiply-adds in float32, the
// same for every M, N, thread count and tile.
//   forward          over k ascending from 0; bf16 takes the pairs (2i, 2i+1), the odd one first, as vdpbf16ps does
//   input_gradient   over n ascending from 0; bf16 as above
//   weight_gradient  over rows m ascending, from the stored dw or 0, one row after the other: any cut of the rows gives the same bits
//   bias_gradient    sum over rows m ascending, from the stored dbias
// On AMX bf16 is summed in blocks of 32 (kernels/amx_tiles.h), and so are the gradients of wide layers in float32, whose factors are split
// in three (kernels/blocks_amx.h): the same for every M, thread count and tile, and for any cut of the rows of a weight gradient,
// whose block goes on in the next call (PendingRows).
// Nothing may alias, except that y may be `residual`.
#include <cstddef>

#include "core/cpu.h"
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// Rows of x (block, K) and dy (block, N) that a weight gradient was given and has not added yet, fewer than a block. `close`: no more
// rows follow, so the last block is short and nothing stays pending.
struct PendingRows {
  void *x, *dy;
  std::size_t count;
  bool close;
};

struct LinearKernels {
  // y = round((acc + bias) + residual), rounded once; bias and residual (M, N) may be null. float32: y is float32.
  void (*forward)(ThreadPool&, DType, std::size_t M, std::size_t N, std::size_t K, const void* x, const void* w,
                  const void* bias, const void* residual, void* y, bool float32);
  // dx = round(dy W), or round(dx + dy W) with `accumulate`.
  void (*input_gradient)(ThreadPool&, DType, std::size_t M, std::size_t N, std::size_t K, const void* dy, const void* w,
                         void* dx, bool accumulate);
  // dw = dy^T x, or dw += dy^T x with `accumulate`. All of dw is written. Where gradient_block is more than 1, rows are added in
  // blocks of so many: those of `pending` come first and those left over are put there; without it the last block is short.
  void (*weight_gradient)(ThreadPool&, DType, std::size_t M, std::size_t N, std::size_t K, const void* x, const void* dy,
                          void* dw, bool accumulate, PendingRows* pending);
  std::size_t (*gradient_block)(DType, std::size_t K);
  // dbias += sum over rows of dy
  void (*bias_gradient)(ThreadPool&, DType, std::size_t M, std::size_t N, const void* dy, void* dbias);
  // target[i] = round(target[i] + source[i])
  void (*add)(ThreadPool&, DType, std::size_t count, void* target, const void* source);
};

LinearKernels linear_kernels(Isa isa);

// The readable form, for every type. The only one for f64.
LinearKernels linear_reference();

}  // namespace grpo
