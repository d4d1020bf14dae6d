#pragma once
// The fast form of kernels/adamw.h for f32 and bf16. Include from instruction-set files only.
#include "core/simd.h"
#include "kernels/adamw.h"
#include "kernels/split.h"

namespace grpo {
namespace GRPO_ISA_NS {

// masters16: float32 masters from sixteen 16-bit weights and low parts. halves16: the way back.
// pairs16, pair_halves16: the same for sixteen words that hold two of each; `even` are the low halves of the words.
// bytes16, store_bytes16: sixteen bytes as numbers; numbers stored must be whole and in 0..255.
#if defined(__AVX512F__)
GRPO_INLINE __m512i rounded16(__m512i bits) { return _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x8000)), 16); }
GRPO_INLINE v16 masters16(const std::uint16_t* weight, const std::uint16_t* low) {
  const __m512i w = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(weight)));
  const __m512i l = _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(low)));
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(w, 16), l))};
}
GRPO_INLINE void halves16(std::uint16_t* weight, std::uint16_t* low, v16 master) {
  const __m512i bits = _mm512_castps_si512(master.v);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(weight), _mm512_cvtepi32_epi16(rounded16(bits)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(low), _mm512_cvtepi32_epi16(bits));
}
GRPO_INLINE void pairs16(const std::uint16_t* weight, const std::uint16_t* low, v16& even, v16& odd) {
  const __m512i w = _mm512_loadu_si512(weight), l = _mm512_loadu_si512(low), high = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  even = {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(w, 16), _mm512_srai_epi32(_mm512_slli_epi32(l, 16), 16)))};
  odd = {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_and_si512(w, high), _mm512_srai_epi32(l, 16)))};
}
GRPO_INLINE void pair_halves16(std::uint16_t* weight, std::uint16_t* low, v16 even, v16 odd) {
  const __m512i e = _mm512_castps_si512(even.v), o = _mm512_castps_si512(odd.v), bottom = _mm512_set1_epi32(0xffff);
  _mm512_storeu_si512(weight, _mm512_or_si512(rounded16(e), _mm512_slli_epi32(rounded16(o), 16)));
  _mm512_storeu_si512(low, _mm512_or_si512(_mm512_and_si512(e, bottom), _mm512_slli_epi32(o, 16)));
}
GRPO_INLINE v16 bytes16(const std::uint8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
GRPO_INLINE void store_bytes16(std::uint8_t* p, v16 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v)));
}
#elif defined(__AVX2__)
GRPO_INLINE __m256i rounded8(__m256i bits) { return _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x8000)), 16); }
GRPO_INLINE __m256 masters8(const std::uint16_t* weight, const std::uint16_t* low) {
  const __m256i w = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weight)));
  const __m256i l = _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low)));
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(w, 16), l));
}
GRPO_INLINE v16 masters16(const std::uint16_t* weight, const std::uint16_t* low) {
  return {masters8(weight, low), masters8(weight + 8, low + 8)};
}
// The low halves of sixteen 32-bit numbers.
GRPO_INLINE void store_u16(std::uint16_t* p, __m256i a, __m256i b) {
  const __m256i bottom = _mm256_set1_epi32(0xffff);
  const __m256i packed = _mm256_packus_epi32(_mm256_and_si256(a, bottom), _mm256_and_si256(b, bottom));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
}
GRPO_INLINE void halves16(std::uint16_t* weight, std::uint16_t* low, v16 master) {
  const __m256i a = _mm256_castps_si256(master.a), b = _mm256_castps_si256(master.b);
  store_u16(weight, rounded8(a), rounded8(b));
  store_u16(low, a, b);
}
GRPO_INLINE void pairs8(const std::uint16_t* weight, const std::uint16_t* low, __m256& even, __m256& odd) {
  const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weight)), l = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low));
  const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  even = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(w, 16), _mm256_srai_epi32(_mm256_slli_epi32(l, 16), 16)));
  odd = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_and_si256(w, high), _mm256_srai_epi32(l, 16)));
}
GRPO_INLINE void pairs16(const std::uint16_t* weight, const std::uint16_t* low, v16& even, v16& odd) {
  pairs8(weight, low, even.a, odd.a);
  pairs8(weight + 16, low + 16, even.b, odd.b);
}
GRPO_INLINE void pair_halves8(std::uint16_t* weight, std::uint16_t* low, __m256 even, __m256 odd) {
  const __m256i e = _mm256_castps_si256(even), o = _mm256_castps_si256(odd), bottom = _mm256_set1_epi32(0xffff);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(weight), _mm256_or_si256(rounded8(e), _mm256_slli_epi32(rounded8(o), 16)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(low), _mm256_or_si256(_mm256_and_si256(e, bottom), _mm256_slli_epi32(o, 16)));
}
GRPO_INLINE void pair_halves16(std::uint16_t* weight, std::uint16_t* low, v16 even, v16 odd) {
  pair_halves8(weight, low, even.a, odd.a);
  pair_halves8(weight + 16, low + 16, even.b, odd.b);
}
GRPO_INLINE v16 bytes16(const std::uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
}
GRPO_INLINE void store_bytes16(std::uint8_t* p, v16 a) {
  std::uint16_t wide[16];
  store_u16(wide, _mm256_cvtps_epi32(a.a), _mm256_cvtps_epi32(a.b));
  const __m128i* half = reinterpret_cast<const __m128i*>(wide);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(_mm_loadu_si128(half), _mm_loadu_si128(half + 1)));
}
#else
GRPO_INLINE uint32x4_t rounded4(uint32x4_t bits) { return vshrq_n_u32(vaddq_u32(bits, vdupq_n_u32(0x8000)), 16); }
GRPO_INLINE v16 masters16(const std::uint16_t* weight, const std::uint16_t* low) {
  GRPO_NEON_MAP(vreinterpretq_f32_u32(vaddq_u32(vshll_n_u16(vld1_u16(weight + 4 * i), 16),
                                                vreinterpretq_u32_s32(vmovl_s16(vreinterpret_s16_u16(vld1_u16(low + 4 * i)))))));
}
GRPO_INLINE void halves16(std::uint16_t* weight, std::uint16_t* low, v16 master) {
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t bits = vreinterpretq_u32_f32(master.v[i]);
    vst1_u16(weight + 4 * i, vmovn_u32(rounded4(bits)));
    vst1_u16(low + 4 * i, vmovn_u32(bits));
  }
}
GRPO_INLINE void pairs16(const std::uint16_t* weight, const std::uint16_t* low, v16& even, v16& odd) {
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t w = vreinterpretq_u32_u16(vld1q_u16(weight + 8 * i));
    const int32x4_t l = vreinterpretq_s32_u16(vld1q_u16(low + 8 * i));
    even.v[i] = vreinterpretq_f32_u32(vaddq_u32(vshlq_n_u32(w, 16), vreinterpretq_u32_s32(vshrq_n_s32(vshlq_n_s32(l, 16), 16))));
    odd.v[i] = vreinterpretq_f32_u32(vaddq_u32(vandq_u32(w, vdupq_n_u32(0xffff0000u)), vreinterpretq_u32_s32(vshrq_n_s32(l, 16))));
  }
}
GRPO_INLINE void pair_halves16(std::uint16_t* weight, std::uint16_t* low, v16 even, v16 odd) {
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t e = vreinterpretq_u32_f32(even.v[i]), o = vreinterpretq_u32_f32(odd.v[i]);
    vst1q_u16(weight + 8 * i, vreinterpretq_u16_u32(vorrq_u32(rounded4(e), vshlq_n_u32(rounded4(o), 16))));
    vst1q_u16(low + 8 * i, vreinterpretq_u16_u32(vorrq_u32(vandq_u32(e, vdupq_n_u32(0xffff)), vshlq_n_u32(o, 16))));
  }
}
GRPO_INLINE v16 bytes16(const std::uint8_t* p) {
  const uint8x16_t bytes = vld1q_u8(p);
  const uint16x8_t half[2] = {vmovl_u8(vget_low_u8(bytes)), vmovl_u8(vget_high_u8(bytes))};
  GRPO_NEON_MAP(vcvtq_f32_u32(vmovl_u16(i % 2 == 0 ? vget_low_u16(half[i / 2]) : vget_high_u16(half[i / 2]))));
}
GRPO_INLINE void store_bytes16(std::uint8_t* p, v16 a) {
  uint16x4_t quarter[4];
  for (int i = 0; i < 4; ++i) quarter[i] = vmovn_u32(vcvtq_u32_f32(a.v[i]));
  vst1q_u8(p, vcombine_u8(vmovn_u16(vcombine_u16(quarter[0], quarter[1])), vmovn_u16(vcombine_u16(quarter[2], quarter[3]))));
}
#endif

GRPO_INLINE v16 abs16(v16 a) { return max16(a, sub16(zero16(), a)); }

GRPO_INLINE v16 decode_first(v16 q) { return mul16(mul16(q, abs16(q)), set16(1.0f / (127.0f * 127.0f))); }
GRPO_INLINE v16 decode_second(v16 q) {
  const v16 r = mul16(q, set16(1.0f / 255.0f)), r2 = mul16(r, r);
  return mul16(r2, r2);
}

// Lanes of i, i + 1, ... i + 15.
GRPO_INLINE v16 count16(std::size_t i) {
  static const float lane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return add16(load16(lane), set16(static_cast<float>(i)));
}

// The code of `relative` in [0, 1] between the codes q and q + 1 that enclose it, by the dither.
template <class Decode> GRPO_INLINE v16 dithered(v16 relative, v16 q, v16 dither, Decode decode) {
  const v16 up = add16(q, set16(1.0f)), below = decode(q), above = decode(up);
  return select_lt16(mul16(dither, sub16(above, below)), sub16(relative, below), up, q);
}

static void encode_moments(const AdamWMemory& a, std::size_t at, std::size_t block, std::size_t n, float base, const float* m, const float* v) {
  v16 largest_m = zero16(), largest_v = zero16();
  for (std::size_t i = 0; i < n; i += 16) {
    largest_m = max16(largest_m, abs16(load16(m + i)));
    largest_v = max16(largest_v, load16(v + i));
  }
  const float scale_m = reduce_max16(largest_m), scale_v = reduce_max16(largest_v);
  a.scales[2 * block] = scale_m;
  a.scales[2 * block + 1] = scale_v;
  const v16 inverse_m = set16(scale_m > 0 ? 1.0f / scale_m : 0.0f), inverse_v = set16(scale_v > 0 ? 1.0f / scale_v : 0.0f);
  const v16 half = set16(0.5f), one = set16(1.0f);
  for (std::size_t i = 0; i < n; i += 16) {
    const v16 turn = fma16(count16(i), set16(0.5698402910f), set16(base));
    const v16 dither = sub16(turn, round16(sub16(turn, half)));
    const v16 mi = load16(m + i), vi = load16(v + i), rm = mul16(abs16(mi), inverse_m), rv = mul16(vi, inverse_v);
    const v16 qm = min16(round16(sub16(mul16(sqrt16(rm), set16(127.0f)), half)), set16(126.0f));
    const v16 qv = min16(round16(sub16(mul16(sqrt16(sqrt16(rv)), set16(255.0f)), half)), set16(254.0f));
    const v16 cm = dithered(rm, qm, dither, [](v16 q) __attribute__((always_inline)) { return decode_first(q); });
    const v16 cv = dithered(rv, qv, sub16(one, dither), [](v16 q) __attribute__((always_inline)) { return decode_second(q); });
    const v16 signed_m = select_lt16(mi, zero16(), sub16(zero16(), cm), cm);
    store_bytes16(static_cast<std::uint8_t*>(a.m) + at + i, add16(signed_m, set16(128.0f)));
    store_bytes16(static_cast<std::uint8_t*>(a.v) + at + i, select_lt16(zero16(), vi, max16(cv, one), cv));
  }
}

static void decode_moments(const AdamWMemory& a, std::size_t at, std::size_t block, std::size_t n, float* m, float* v) {
  const v16 scale_m = set16(a.scales[2 * block]), scale_v = set16(a.scales[2 * block + 1]);
  for (std::size_t i = 0; i < n; i += 16) {
    const v16 q = sub16(bytes16(static_cast<const std::uint8_t*>(a.m) + at + i), set16(128.0f));
    store16(m + i, mul16(decode_first(q), scale_m));
    store16(v + i, mul16(decode_second(bytes16(static_cast<const std::uint8_t*>(a.v) + at + i)), scale_v));
  }
}

// The bf16 masters of `n` elements from `start` of a panel, n a multiple of 16 (of 32 with pairs).
static void load_masters(const AdamWMemory& a, const std::uint16_t* weight, const std::uint16_t* low, std::size_t n, float* master) {
  if (!a.pairs) {
    for (std::size_t i = 0; i < n; i += 16) store16(master + i, masters16(weight + i, low + i));
    return;
  }
  for (std::size_t i = 0; i < n; i += 64)
    for (std::size_t j = 0; j < 32; j += 16) {
      v16 even, odd;
      pairs16(weight + i + 2 * j, low + i + 2 * j, even, odd);
      store16(master + i + j, even);
      store16(master + i + 32 + j, odd);
    }
}

static void store_masters(const AdamWMemory& a, std::uint16_t* weight, std::uint16_t* low, std::size_t n, const float* master) {
  if (!a.pairs) {
    for (std::size_t i = 0; i < n; i += 16) halves16(weight + i, low + i, load16(master + i));
    return;
  }
  for (std::size_t i = 0; i < n; i += 64)
    for (std::size_t j = 0; j < 32; j += 16)
      pair_halves16(weight + i + 2 * j, low + i + 2 * j, load16(master + i + j), load16(master + i + 32 + j));
}

static void step_block(const AdamWStep& step, const AdamWMemory& a, std::size_t panel, std::size_t block) {
  const std::size_t start = block * kAdamWBlock, at = panel * a.length + start;
  const std::size_t n = a.length - start < kAdamWBlock ? a.length - start : kAdamWBlock;
  if (n % 16 != 0) return adamw_block(step, a, panel, block);
  const std::size_t index = panel * adamw_blocks(a.length) + block;
  alignas(64) float master[kAdamWBlock], first[kAdamWBlock], second[kAdamWBlock];
  float* w = master;
  std::uint16_t *weight = nullptr, *low = nullptr;
  if (a.dtype == DType::f32) {
    w = static_cast<float*>(a.weight) + at;
  } else {
    const std::size_t stored = panel * (a.pairs ? (a.length + 63) / 64 * 64 : a.length) + start;
    weight = static_cast<std::uint16_t*>(a.weight) + stored;
    low = a.low + stored;
    load_masters(a, weight, low, n, master);
  }
  float *m = first, *v = second;
  if (a.scales == nullptr) {
    m = static_cast<float*>(a.m) + at;
    v = static_cast<float*>(a.v) + at;
  } else {
    decode_moments(a, at, index, n, m, v);
  }
  const float* grad = static_cast<const float*>(a.grad) + at;
  const v16 keep = set16(static_cast<float>(step.keep)), beta2 = set16(static_cast<float>(step.beta2));
  const v16 rest1 = set16(static_cast<float>(1 - step.beta1)), rest2 = set16(static_cast<float>(1 - step.beta2));
  const v16 back = set16(-static_cast<float>(step.step_size)), root_scale = set16(static_cast<float>(step.root_scale));
  const v16 epsilon = set16(static_cast<float>(step.epsilon)), scale = set16(static_cast<float>(step.grad_scale));
  for (std::size_t i = 0; i < n; i += 16) {
    const v16 g = mul16(load16(grad + i), scale), m0 = load16(m + i);
    const v16 m1 = fma16(rest1, sub16(g, m0), m0);
    const v16 v1 = fma16(mul16(rest2, g), g, mul16(beta2, load16(v + i)));
    const v16 update = div16(m1, fma16(sqrt16(v1), root_scale, epsilon));
    store16(m + i, m1);
    store16(v + i, v1);
    store16(w + i, fma16(back, update, mul16(load16(w + i), keep)));
  }
  if (weight != nullptr) store_masters(a, weight, low, n, master);
  if (a.scales != nullptr) encode_moments(a, at, index, n, static_cast<float>(step.dither), m, v);
}

static void adamw(ThreadPool& pool, const AdamWStep& step, const AdamWMemory& memory) noexcept {
  if (memory.dtype == DType::f64) return grpo::adamw(pool, step, memory);
  const std::size_t blocks = adamw_blocks(memory.length);
  for_ranges(pool, memory.panels * blocks, kAdamWBlock, [&](std::size_t begin, std::size_t end) {
    for (std::size_t b = begin; b < end; ++b) step_block(step, memory, b / blocks, b % blocks);
  });
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
