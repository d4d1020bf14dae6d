#include "core/cpu.h"

#include <cstdlib>
#include <cstring>

#if defined(GRPO_HAVE_AMX)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace grpo {
namespace {

#if defined(GRPO_HAVE_AMX)
// The tiles and their bf16 product, and the system's leave to use them: Linux grants it to the whole process, on request.
bool has_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTile = 1u << 24, kBf16 = 1u << 22;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & kTile) || !(d & kBf16)) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

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
#if defined(GRPO_HAVE_AMX)
    case Isa::amx:
      return supported(Isa::avx512bf16) && has_tiles();
#endif
#if defined(GRPO_HAVE_NEON)
    case Isa::neon:
      return true;
#endif
    default:
      return false;
  }
}

constexpr Isa kBestFirst[] = {Isa::amx, Isa::avx512bf16, Isa::avx512, Isa::avx2, Isa::neon, Isa::scalar};

bool is_intel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("intel");
#else
  return false;
#endif
}

}  // namespace

// Zen 5 and Zen 3 were tuned with 4096 alone. On a Xeon with AMX 2048 and waking are best where several tiles of rows meet a weight.
// Where one does, every line is asked into L2 44 lines ahead, and into L1 from there: 1 and 8 rows are 3 to 15 % faster, whatever the
// order in which the compiler leaves the requests.
const std::size_t kStreamAhead = is_intel() ? 2048 : 4096, kWakeAhead = is_intel() ? 6144 : 0;
const std::size_t kNearAhead = 768, kFarAhead = is_intel() ? 2816 : 0, kStoreTogether = is_intel() ? 16 : 1;

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512bf16: return "avx512bf16";
    case Isa::amx: return "amx";
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
    *error = "GRPO_ISA must be one of scalar, avx2, avx512, avx512bf16, amx, neon";
    return Isa::scalar;
  }
  for (Isa isa : kBestFirst) {
    if (supported(isa)) return isa;
  }
  return Isa::scalar;
}

}  // namespace grpo
