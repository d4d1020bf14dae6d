#pragma once
// Sixteen float32 lanes on every instruction set, for the fast kernels. Include it only from files named *_avx2.cpp, *_avx512.cpp,
// *_avx512bf16.cpp, *_amx.cpp and *_neon.cpp: everything lives in a namespace of the instruction set, so that the linker never
// mixes two of them. Since all logic is written in terms of 16 lanes, results are the same bits on each set (bf16 dot
// products of subnormal values excepted).
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/dtype.h"

#if defined(__AMX_BF16__)
#define GRPO_ISA_NS amx
#elif defined(__AVX512BF16__)
#define GRPO_ISA_NS avx512bf16
#elif defined(__AVX512F__)
#define GRPO_ISA_NS avx512
#elif defined(__AVX2__)
#define GRPO_ISA_NS avx2
#elif defined(__ARM_NEON)
#define GRPO_ISA_NS neon
#else
#error "simd.h needs an instruction set"
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace grpo {
namespace GRPO_ISA_NS {

#define GRPO_INLINE static inline __attribute__((always_inline))

// v16: 16 floats. p16: 16 pairs of bf16 (the earlier element of a pair in the low half of its 32-bit word).
#if defined(__AVX512F__)
struct v16 { __m512 v; };
struct p16 { __m512i v; };
GRPO_INLINE v16 zero16() { return {_mm512_setzero_ps()}; }
GRPO_INLINE v16 set16(float x) { return {_mm512_set1_ps(x)}; }
GRPO_INLINE v16 load16(const float* p) { return {_mm512_loadu_ps(p)}; }
GRPO_INLINE void store16(float* p, v16 a) { _mm512_storeu_ps(p, a.v); }
GRPO_INLINE v16 fma16(v16 a, v16 b, v16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
GRPO_INLINE v16 add16(v16 a, v16 b) { return {_mm512_add_ps(a.v, b.v)}; }
GRPO_INLINE v16 sub16(v16 a, v16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
GRPO_INLINE v16 mul16(v16 a, v16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
GRPO_INLINE v16 div16(v16 a, v16 b) { return {_mm512_div_ps(a.v, b.v)}; }
GRPO_INLINE v16 max16(v16 a, v16 b) { return {_mm512_max_ps(a.v, b.v)}; }
GRPO_INLINE v16 min16(v16 a, v16 b) { return {_mm512_min_ps(a.v, b.v)}; }
GRPO_INLINE v16 sqrt16(v16 a) { return {_mm512_sqrt_ps(a.v)}; }
GRPO_INLINE v16 round16(v16 a) { return {_mm512_roundscale_ps(a.v, 0)}; }
// a < b ? x : y, lane by lane
GRPO_INLINE v16 select_lt16(v16 a, v16 b, v16 x, v16 y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}
// x * 2^n for integral n in lanes of `n`; n within the normal exponent range
GRPO_INLINE v16 ldexp16(v16 x, v16 n) { return {_mm512_scalef_ps(x.v, n.v)}; }
GRPO_INLINE v16 load_bf16(const bf16* p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16))};
}
// Round to nearest even; NaN is not handled specially beyond staying NaN.
GRPO_INLINE void store_bf16(bf16* p, v16 a) {
#if defined(__AVX512BF16__)
  // vcvtneps2bf16 flushes subnormals, so the integer form is used: the same bits on every path.
#endif
  const __m512i u = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  __m512i r = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd), 16);
  const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  r = _mm512_mask_mov_epi32(r, nan, _mm512_or_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(0x40)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(r));
}
GRPO_INLINE p16 load_pairs(const void* p) { return {_mm512_loadu_si512(p)}; }
GRPO_INLINE p16 set_pair(std::uint32_t pair) { return {_mm512_set1_epi32(static_cast<int>(pair))}; }
#elif defined(__AVX2__)
struct v16 { __m256 a, b; };
struct p16 { __m256i a, b; };
GRPO_INLINE v16 zero16() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
GRPO_INLINE v16 set16(float x) { const __m256 v = _mm256_set1_ps(x); return {v, v}; }
GRPO_INLINE v16 load16(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
GRPO_INLINE void store16(float* p, v16 x) { _mm256_storeu_ps(p, x.a); _mm256_storeu_ps(p + 8, x.b); }
GRPO_INLINE v16 fma16(v16 x, v16 y, v16 z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
GRPO_INLINE v16 add16(v16 x, v16 y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
GRPO_INLINE v16 sub16(v16 x, v16 y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
GRPO_INLINE v16 mul16(v16 x, v16 y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
GRPO_INLINE v16 div16(v16 x, v16 y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
GRPO_INLINE v16 max16(v16 x, v16 y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
GRPO_INLINE v16 min16(v16 x, v16 y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
GRPO_INLINE v16 sqrt16(v16 x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
GRPO_INLINE v16 round16(v16 x) { return {_mm256_round_ps(x.a, 0), _mm256_round_ps(x.b, 0)}; }
GRPO_INLINE v16 select_lt16(v16 a, v16 b, v16 x, v16 y) {
  return {_mm256_blendv_ps(y.a, x.a, _mm256_cmp_ps(a.a, b.a, _CMP_LT_OQ)),
          _mm256_blendv_ps(y.b, x.b, _mm256_cmp_ps(a.b, b.b, _CMP_LT_OQ))};
}
GRPO_INLINE __m256 ldexp8(__m256 x, __m256 n) {
  const __m256i e = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(x, _mm256_castsi256_ps(e));
}
GRPO_INLINE v16 ldexp16(v16 x, v16 n) { return {ldexp8(x.a, n.a), ldexp8(x.b, n.b)}; }
GRPO_INLINE __m256 widen8(const bf16* p) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), 16));
}
GRPO_INLINE v16 load_bf16(const bf16* p) { return {widen8(p), widen8(p + 8)}; }
GRPO_INLINE __m256i narrow8(__m256 f) {
  const __m256i u = _mm256_castps_si256(f);
  const __m256i high = _mm256_srli_epi32(u, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i r = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd), 16);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(f, f, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(r, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
}
GRPO_INLINE void store_bf16(bf16* p, v16 x) {
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(narrow8(x.a), narrow8(x.b)), 0xd8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
}
GRPO_INLINE p16 load_pairs(const void* p) {
  const __m256i* q = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
GRPO_INLINE p16 set_pair(std::uint32_t pair) {
  const __m256i v = _mm256_set1_epi32(static_cast<int>(pair));
  return {v, v};
}
#else  // NEON
struct v16 { float32x4_t v[4]; };
struct p16 { uint32x4_t v[4]; };
#define GRPO_NEON_MAP(expr) v16 r; for (int i = 0; i < 4; ++i) r.v[i] = (expr); return r
GRPO_INLINE v16 zero16() { GRPO_NEON_MAP(vdupq_n_f32(0.f)); }
GRPO_INLINE v16 set16(float x) { GRPO_NEON_MAP(vdupq_n_f32(x)); }
GRPO_INLINE v16 load16(const float* p) { GRPO_NEON_MAP(vld1q_f32(p + 4 * i)); }
GRPO_INLINE void store16(float* p, v16 a) { for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]); }
GRPO_INLINE v16 fma16(v16 a, v16 b, v16 c) { GRPO_NEON_MAP(vfmaq_f32(c.v[i], a.v[i], b.v[i])); }
GRPO_INLINE v16 add16(v16 a, v16 b) { GRPO_NEON_MAP(vaddq_f32(a.v[i], b.v[i])); }
GRPO_INLINE v16 sub16(v16 a, v16 b) { GRPO_NEON_MAP(vsubq_f32(a.v[i], b.v[i])); }
GRPO_INLINE v16 mul16(v16 a, v16 b) { GRPO_NEON_MAP(vmulq_f32(a.v[i], b.v[i])); }
GRPO_INLINE v16 div16(v16 a, v16 b) { GRPO_NEON_MAP(vdivq_f32(a.v[i], b.v[i])); }
GRPO_INLINE v16 max16(v16 a, v16 b) { GRPO_NEON_MAP(vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
GRPO_INLINE v16 min16(v16 a, v16 b) { GRPO_NEON_MAP(vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
GRPO_INLINE v16 sqrt16(v16 a) { GRPO_NEON_MAP(vsqrtq_f32(a.v[i])); }
GRPO_INLINE v16 round16(v16 a) { GRPO_NEON_MAP(vrndnq_f32(a.v[i])); }
GRPO_INLINE v16 select_lt16(v16 a, v16 b, v16 x, v16 y) { GRPO_NEON_MAP(vbslq_f32(vcltq_f32(a.v[i], b.v[i]), x.v[i], y.v[i])); }
GRPO_INLINE v16 ldexp16(v16 x, v16 n) {
  GRPO_NEON_MAP(vmulq_f32(x.v[i], vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.v[i]), vdupq_n_s32(127)), 23))));
}
GRPO_INLINE v16 load_bf16(const bf16* p) {
  GRPO_NEON_MAP(vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p) + 4 * i), 16)));
}
GRPO_INLINE void store_bf16(bf16* p, v16 a) {
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t u = vreinterpretq_u32_f32(a.v[i]), high = vshrq_n_u32(u, 16);
    const uint32x4_t r = vshrq_n_u32(vaddq_u32(vaddq_u32(u, vdupq_n_u32(0x7fff)), vandq_u32(high, vdupq_n_u32(1))), 16);
    const uint32x4_t number = vceqq_f32(a.v[i], a.v[i]);
    const uint32x4_t out = vbslq_u32(number, r, vorrq_u32(high, vdupq_n_u32(0x40)));
    vst1_u16(reinterpret_cast<std::uint16_t*>(p) + 4 * i, vmovn_u32(out));
  }
}
GRPO_INLINE p16 load_pairs(const void* p) {
  p16 r;
  for (int i = 0; i < 4; ++i) r.v[i] = vld1q_u32(static_cast<const std::uint32_t*>(p) + 4 * i);
  return r;
}
GRPO_INLINE p16 set_pair(std::uint32_t pair) {
  p16 r;
  for (int i = 0; i < 4; ++i) r.v[i] = vdupq_n_u32(pair);
  return r;
}
#endif

// The halves of bf16 pairs as floats: `odd` is the high half, `even` the low one.
#if defined(__AVX512F__)
GRPO_INLINE v16 odd_half(p16 a) {
  return {_mm512_castsi512_ps(_mm512_and_si512(a.v, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}
GRPO_INLINE v16 even_half(p16 a) { return {_mm512_castsi512_ps(_mm512_slli_epi32(a.v, 16))}; }
#elif defined(__AVX2__)
GRPO_INLINE v16 odd_half(p16 a) {
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  return {_mm256_castsi256_ps(_mm256_and_si256(a.a, mask)), _mm256_castsi256_ps(_mm256_and_si256(a.b, mask))};
}
GRPO_INLINE v16 even_half(p16 a) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(a.a, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(a.b, 16))};
}
#else
GRPO_INLINE v16 odd_half(p16 a) {
  v16 r;
  for (int i = 0; i < 4; ++i) r.v[i] = vreinterpretq_f32_u32(vandq_u32(a.v[i], vdupq_n_u32(0xffff0000u)));
  return r;
}
GRPO_INLINE v16 even_half(p16 a) {
  v16 r;
  for (int i = 0; i < 4; ++i) r.v[i] = vreinterpretq_f32_u32(vshlq_n_u32(a.v[i], 16));
  return r;
}
#endif

// Lanes 0-7 and 8-15 exchanged; lanes 0-3 and 4-7, 8-11 and 12-15 exchanged.
#if defined(__AVX512F__)
GRPO_INLINE v16 swap_eights(v16 a) { return {_mm512_shuffle_f32x4(a.v, a.v, 0x4e)}; }
GRPO_INLINE v16 swap_fours(v16 a) { return {_mm512_shuffle_f32x4(a.v, a.v, 0xb1)}; }
#elif defined(__AVX2__)
GRPO_INLINE v16 swap_eights(v16 x) { return {x.b, x.a}; }
GRPO_INLINE v16 swap_fours(v16 x) { return {_mm256_permute2f128_ps(x.a, x.a, 1), _mm256_permute2f128_ps(x.b, x.b, 1)}; }
#else
GRPO_INLINE v16 swap_eights(v16 a) { GRPO_NEON_MAP(a.v[i ^ 2]); }
GRPO_INLINE v16 swap_fours(v16 a) { GRPO_NEON_MAP(a.v[i ^ 1]); }
#endif

// acc + a.odd * b.odd, then + a.even * b.even, each rounded once: what vdpbf16ps does. Without the instruction, two fused
// multiply-adds on widened halves give the same bits wherever no subnormal number appears.
GRPO_INLINE v16 dot_pairs(v16 acc, p16 a, p16 b) {
#if defined(__AVX512BF16__)
  return {_mm512_dpbf16_ps(acc.v, (__m512bh)a.v, (__m512bh)b.v)};
#else
  return fma16(even_half(a), even_half(b), fma16(odd_half(a), odd_half(b), acc));
#endif
}

// First n (1..16) lanes from memory, the others `fill`.
GRPO_INLINE v16 load16_n(const float* p, std::size_t n, float fill) {
  float t[16];
  for (std::size_t i = 0; i < 16; ++i) t[i] = i < n ? p[i] : fill;
  return load16(t);
}
GRPO_INLINE void store16_n(float* p, v16 a, std::size_t n) {
  float t[16];
  store16(t, a);
  for (std::size_t i = 0; i < n; ++i) p[i] = t[i];
}

// The fixed lane tree: lanes i and i+8, then i+4, i+2, i+1.
#if defined(__x86_64__)
#if defined(__AVX512F__)
GRPO_INLINE __m256 low_half(v16 a) { return _mm512_castps512_ps256(a.v); }
GRPO_INLINE __m256 high_half(v16 a) { return _mm512_extractf32x8_ps(a.v, 1); }
#else
GRPO_INLINE __m256 low_half(v16 a) { return a.a; }
GRPO_INLINE __m256 high_half(v16 a) { return a.b; }
#endif
GRPO_INLINE float reduce_add16(v16 a) {
  const __m256 eight = _mm256_add_ps(low_half(a), high_half(a));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
GRPO_INLINE float reduce_max16(v16 a) {
  const __m256 eight = _mm256_max_ps(low_half(a), high_half(a));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
#else
GRPO_INLINE float reduce_add16(v16 a) {
  float t[16];
  store16(t, a);
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) t[i] = t[i] + t[i + step];
  return t[0];
}
GRPO_INLINE float reduce_max16(v16 a) {
  float t[16];
  store16(t, a);
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) t[i] = t[i] > t[i + step] ? t[i] : t[i + step];
  return t[0];
}
#endif

// 2^n times the polynomial, for x within the range of exp16.
GRPO_INLINE v16 exp_inside16(v16 x) {
  const v16 n = round16(mul16(x, set16(1.44269504088896341f)));
  v16 r = fma16(n, set16(-0.693145751953125f), x);
  r = fma16(n, set16(-1.42860682030941723212e-6f), r);
  v16 p = set16(1.9875691500e-4f);
  p = fma16(p, r, set16(1.3981999507e-3f));
  p = fma16(p, r, set16(8.3334519073e-3f));
  p = fma16(p, r, set16(4.1665795894e-2f));
  p = fma16(p, r, set16(1.6666665459e-1f));
  p = fma16(p, r, set16(5.0000001201e-1f));
  p = fma16(p, mul16(r, r), add16(r, set16(1.0f)));
  return ldexp16(p, n);
}

// exp(x), within 2 ulp; exactly 1 at 0, 0 below -87.3, +inf above 88.3. The scalar twin is exp_own in core/math.h: same bits.
// max16 and min16 give their second operand where one is NaN, so the bounds come first: NaN stays NaN.
GRPO_INLINE v16 exp16(v16 x) {
  const v16 low = set16(-87.3f), high = set16(88.3f);
  const v16 y = select_lt16(x, low, zero16(), exp_inside16(min16(high, max16(low, x))));
  return select_lt16(high, x, set16(__builtin_inff()), y);
}

// The same for x <= 0.
GRPO_INLINE v16 exp_nonpositive16(v16 x) {
  const v16 low = set16(-87.3f);
  return select_lt16(x, low, zero16(), exp_inside16(max16(low, x)));
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
