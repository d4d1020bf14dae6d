#pragma once
// Loads and stores of up to 16 elements of float or bf16, for rows whose length is no multiple of 16.
#include "core/simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

GRPO_INLINE v16 load_lanes(const float* p) { return load16(p); }
GRPO_INLINE v16 load_lanes(const bf16* p) { return load_bf16(p); }
GRPO_INLINE void store_lanes(float* p, v16 x) { store16(p, x); }
GRPO_INLINE void store_lanes(bf16* p, v16 x) { store_bf16(p, x); }

// The first n lanes (1 or more; 16 of them at most) from memory, the others 0.
#if defined(__AVX512F__)
GRPO_INLINE __mmask16 first_lanes(std::size_t n) { return static_cast<__mmask16>(0xffffu >> (16 - n)); }
GRPO_INLINE v16 load_first(const float* p, std::size_t n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
GRPO_INLINE v16 load_first(const bf16* p, std::size_t n) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), p)), 16))};
}
GRPO_INLINE void store_first(float* p, v16 x, std::size_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), x.v); }
GRPO_INLINE void store_first(bf16* p, v16 x, std::size_t n) {
  bf16 t[16];
  store_bf16(t, x);
  _mm256_mask_storeu_epi16(p, first_lanes(n), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t)));
}
#else
template <class T>
GRPO_INLINE v16 load_first(const T* p, std::size_t n) {
  T t[16] = {};
  for (std::size_t i = 0; i < n; ++i) t[i] = p[i];
  return load_lanes(t);
}
template <class T>
GRPO_INLINE void store_first(T* p, v16 x, std::size_t n) {
  T t[16];
  store_lanes(t, x);
  for (std::size_t i = 0; i < n; ++i) p[i] = t[i];
}
#if defined(__AVX2__)
GRPO_INLINE __m256i first_lanes8(std::ptrdiff_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
GRPO_INLINE v16 load_first(const float* p, std::size_t n) {
  const auto count = static_cast<std::ptrdiff_t>(n);
  return {_mm256_maskload_ps(p, first_lanes8(count)), _mm256_maskload_ps(p + 8, first_lanes8(count - 8))};
}
// In pieces of 8, 4, 2 and 1: masked stores take many times as long.
GRPO_INLINE void store_first(float* p, v16 x, std::size_t n) {
  __m256 rest = x.a;
  if (n & 8) {
    _mm256_storeu_ps(p, x.a);
    rest = x.b;
    p += 8;
  }
  __m128 few = _mm256_castps256_ps128(rest);
  if (n & 4) {
    _mm_storeu_ps(p, few);
    few = _mm256_extractf128_ps(rest, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), few);
    few = _mm_movehl_ps(few, few);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, few);
}
#endif
#endif
template <class T>
GRPO_INLINE v16 load_some(const T* p, std::size_t n) { return n >= 16 ? load_lanes(p) : load_first(p, n); }
template <class T>
GRPO_INLINE void store_some(T* p, v16 x, std::size_t n) {
  if (n >= 16) store_lanes(p, x);
  else store_first(p, x, n);
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
