#include "core/cpu.h"

#include <cstdlib>
#include <cstring>

namespace grpo {
namespace {

bool supported(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return true;
#if defined(GRPO_HAVE_AVX2)
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    case Isa::avx512bf16:
      return supported(Isa::avx512) && __builtin_cpu_supports("avx512bf16");
#endif
#if defined(GRPO_HAVE_NEON)
    case Isa::neon:
      return true;
#endif
    default:
      return false;
  }
}

constexpr Isa kBestFirst[] = {Isa::avx512bf16, Isa::avx512, Isa::avx2, Isa::neon, Isa::scalar};

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512bf16: return "avx512bf16";
    case Isa::neon: return "neon";
    default: return "scalar";
  }
}

Isa detect_isa(const char** error) {
  *error = nullptr;
  if (const char* wanted = std::getenv("GRPO_ISA"); wanted && *wanted) {
    for (Isa isa : kBestFirst) {
      if (std::strcmp(wanted, isa_name(isa)) != 0) continue;
      if (supported(isa)) return isa;
      *error = "GRPO_ISA names an instruction set that this machine or this build does not have";
      return Isa::scalar;
    }
    *error = "GRPO_ISA must be one of scalar, avx2, avx512, avx512bf16, neon";
    return Isa::scalar;
  }
  for (Isa isa : kBestFirst) {
    if (supported(isa)) return isa;
  }
  return Isa::scalar;
}

}  // namespace grpo
