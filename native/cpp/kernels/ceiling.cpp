#include "kernels/ceiling.h"

#include <cmath>
#include <cstring>

namespace grpo {

CeilingKernels ceiling_avx2();
CeilingKernels ceiling_avx512();
CeilingKernels ceiling_avx512bf16();
CeilingKernels ceiling_amx();
CeilingKernels ceiling_neon();

namespace {

volatile float sink, factor = 0.5f;

double multiply_add(ThreadPool& pool, std::size_t rounds, bool) {
  constexpr int kChains = 8;
  constexpr std::size_t kRound = 1024, kItems = 16;
  const std::size_t items = kItems * static_cast<std::size_t>(pool.size());
  parallel_for(pool, items, [&](std::size_t, int) {
    float acc[kChains] = {};
    const float a = factor;
    for (std::size_t i = 0; i < kRound * rounds; ++i) {
      for (int c = 0; c < kChains; ++c) acc[c] = std::fma(a, a, acc[c]);
    }
    for (int c = 1; c < kChains; ++c) acc[0] += acc[c];
    sink = acc[0];
  });
  return 2.0 * kChains * kRound * static_cast<double>(items * rounds);
}

void read(ThreadPool& pool, const void* from, std::size_t bytes) {
  constexpr std::size_t kBlock = (std::size_t{1} << 20) / sizeof(float);
  const float* p = static_cast<const float*>(from);
  const std::size_t count = bytes / sizeof(float);
  parallel_for(pool, (count + kBlock - 1) / kBlock, [&](std::size_t item, int) {
    const std::size_t end = (item + 1) * kBlock < count ? (item + 1) * kBlock : count;
    float acc[4] = {};
    for (std::size_t i = item * kBlock; i + 4 <= end; i += 4) {
      for (std::size_t c = 0; c < 4; ++c) acc[c] += p[i + c];
    }
    sink = acc[0] + acc[1] + acc[2] + acc[3];
  });
}

}  // namespace

CeilingKernels ceiling_kernels(Isa isa) {
  switch (isa) {
#if defined(GRPO_HAVE_AVX2)
    case Isa::avx2: return ceiling_avx2();
    case Isa::avx512: return ceiling_avx512();
    case Isa::avx512bf16: return ceiling_avx512bf16();
#endif
#if defined(GRPO_HAVE_AMX)
    case Isa::amx: return ceiling_amx();
#endif
#if defined(GRPO_HAVE_NEON)
    case Isa::neon: return ceiling_neon();
#endif
    default: return {multiply_add, read};
  }
}

void ceiling_copy(ThreadPool& pool, const void* from, void* to, std::size_t bytes) {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  parallel_for(pool, (bytes + kBlock - 1) / kBlock, [&](std::size_t item, int) {
    const std::size_t begin = item * kBlock, end = begin + kBlock < bytes ? begin + kBlock : bytes;
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin, end - begin);
  });
}

}  // namespace grpo
