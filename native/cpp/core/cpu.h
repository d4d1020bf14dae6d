#pragma once
#include <cstddef>

namespace grpo {

// Instruction-set paths of the CPU kernels, slowest first on each architecture.
enum class Isa { scalar, avx2, avx512, avx512bf16, amx, neon };

// The best path of this machine, or the one GRPO_ISA names. A name that is unknown, not compiled in, or not supported by
// the machine gives an error text in *error (static storage) and Isa::scalar.
Isa detect_isa(const char** error);

const char* isa_name(Isa isa);

// How weights are streamed from memory, by vendor. Lines are asked into L1 kStreamAhead bytes ahead, farther loses where fill buffers
// are few; and two of every KiB into L2 kWakeAhead bytes ahead, so that the hardware's prefetcher, which stops at the end of a page, is
// awake in the next one. Where one tile of rows meets a weight and kFarAhead is not 0: all into L2 kFarAhead bytes ahead and into L1
// kNearAhead; and results are stored after kStoreTogether panels. Two or three tiles take small parts of a panel (gemm_multiply_simd.h).
extern const std::size_t kStreamAhead, kWakeAhead, kNearAhead, kFarAhead, kStoreTogether;

}  // namespace grpo
