#pragma once
// kernels/ceiling.h on 16 lanes. Include from instruction-set files only, once each.
#include "core/simd.h"
#include "kernels/ceiling.h"

namespace grpo {
namespace GRPO_ISA_NS {

// Independent chains: enough for two units with a latency of 6, few enough to stay in registers.
#if defined(__AVX512F__)
constexpr int kChains = 16;
#else
constexpr int kChains = 6;
#endif
constexpr std::size_t kRound = 4096, kItems = 16;

// Keeps a result that nobody reads, and hides where a factor comes from.
static volatile float sink, factor = 0.5f;

// A different start for every lane of every chain, lest the compiler sees two chains as one.
GRPO_INLINE v16 chain_start(int chain) {
  float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = factor * static_cast<float>(16 * chain + i);
  return load16(lanes);
}

static void chains_f32() {
  v16 acc[kChains];
  const v16 a = set16(factor);
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) acc[c] = chain_start(c);
  for (std::size_t i = 0; i < kRound; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) acc[c] = fma16(a, a, acc[c]);
  }
#pragma GCC unroll 16
  for (int c = 1; c < kChains; ++c) acc[0] = add16(acc[0], acc[c]);
  sink = reduce_add16(acc[0]);
}

#if defined(__AMX_BF16__)
// The registers here are tiles: kRound products of 16 x 16 chains over 32 steps.
static void chains_bf16() {
  struct alignas(64) {
    std::uint8_t palette = 1, reserved[15] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  _tile_loadconfig(&config);
  for (std::size_t i = 0; i < kRound / 4; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}
constexpr double kPairs = 16.0 * 16 * 32 / (16 * kChains);
#elif defined(__AVX512BF16__)
static void chains_bf16() {
  v16 acc[kChains];
  const p16 a = set_pair(factor > 0 ? 0x3f003f00u : 0u);
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) acc[c] = chain_start(c);
  for (std::size_t i = 0; i < kRound; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) acc[c] = dot_pairs(acc[c], a, a);
  }
#pragma GCC unroll 16
  for (int c = 1; c < kChains; ++c) acc[0] = add16(acc[0], acc[c]);
  sink = reduce_add16(acc[0]);
}
constexpr double kPairs = 2;
#else
static void chains_bf16() { chains_f32(); }
constexpr double kPairs = 1;
#endif

static double multiply_add(ThreadPool& pool, std::size_t rounds, bool bf16) {
  const std::size_t items = kItems * static_cast<std::size_t>(pool.size());
  parallel_for(pool, items, [&](std::size_t, int) {
    for (std::size_t i = 0; i < rounds; ++i) {
      if (bf16) chains_bf16();
      else chains_f32();
    }
  });
  return 2.0 * 16 * kChains * kRound * static_cast<double>(items * rounds) * (bf16 ? kPairs : 1);
}

static void read(ThreadPool& pool, const void* from, std::size_t bytes) {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  parallel_for(pool, (bytes + kBlock - 1) / kBlock, [&](std::size_t item, int) {
    const std::size_t end = (item + 1) * kBlock < bytes ? (item + 1) * kBlock : bytes;
    const float* p = static_cast<const float*>(from) + item * (kBlock / 4);
    v16 acc[4] = {zero16(), zero16(), zero16(), zero16()};
    for (std::size_t at = item * kBlock; at + 256 <= end; at += 256, p += 64) {
      __builtin_prefetch(reinterpret_cast<const char*>(p) + 4096, 0, 3);
      __builtin_prefetch(reinterpret_cast<const char*>(p) + 4160, 0, 3);
      __builtin_prefetch(reinterpret_cast<const char*>(p) + 4224, 0, 3);
      __builtin_prefetch(reinterpret_cast<const char*>(p) + 4288, 0, 3);
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) acc[c] = max16(acc[c], load16(p + 16 * c));
    }
    sink = reduce_max16(max16(max16(acc[0], acc[1]), max16(acc[2], acc[3])));
  });
}

static CeilingKernels ceiling() { return {multiply_add, read}; }

}  // namespace GRPO_ISA_NS
}  // namespace grpo
