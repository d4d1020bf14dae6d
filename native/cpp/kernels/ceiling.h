#pragma once
// What this machine can do at best, for benchmarks: arithmetic from registers alone, and memory without arithmetic.
#include <cstddef>

#include "core/cpu.h"
#include "core/threads.h"

namespace grpo {

struct CeilingKernels {
  // Does independent multiply-adds on every thread, `rounds` of a fixed number each, touching no memory; returns the number
  // of floating-point operations done (two per multiply-add). bf16: with the pair dot product where the path has one,
  // else as float32, which is then the most that bf16 can reach.
  double (*multiply_add)(ThreadPool&, std::size_t rounds, bool bf16);
  // Reads `bytes` bytes once on all threads.
  void (*read)(ThreadPool&, const void* from, std::size_t bytes);
};

CeilingKernels ceiling_kernels(Isa isa);

// Copies `bytes` bytes on all threads.
void ceiling_copy(ThreadPool& pool, const void* from, void* to, std::size_t bytes);

}  // namespace grpo
