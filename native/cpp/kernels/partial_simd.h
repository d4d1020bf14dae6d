#pragma once
// Loads and stores of up to 16 elements of float or bf16, for rows whose length is no multiple of 16.
#include "core/simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

GRPO_INLINE v16 load_lanes(const float* p) { return load16(p); }
GRPO_INLINE v16 load_lanes(const bf16* p) { return load_bf16(p); }
GRPO_INLINE void store_lanes(float* p, v16 x) { store16(p, x); }
GRPO_INLINE void store_lanes(bf16* p, v16 x) { store_bf16(p, x); }

// The first n (1..16) lanes from memory, the others 0.
#if defined(__AVX512F__)
GRPO_INLINE __mmask16 first_lanes(std::size_t n) { return static_cast<__mmask16>(0xffffu >> (16 - n)); }
GRPO_INLINE v16 load_some(const float* p, std::size_t n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
GRPO_INLINE v16 load_some(const bf16* p, std::size_t n) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), p)), 16))};
}
GRPO_INLINE void store_some(float* p, v16 x, std::size_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), x.v); }
GRPO_INLINE void store_some(bf16* p, v16 x, std::size_t n) {
  bf16 t[16];
  store_bf16(t, x);
  _mm256_mask_storeu_epi16(p, first_lanes(n), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t)));
}
#else
template <class T>
GRPO_INLINE v16 load_some(const T* p, std::size_t n) {
  if (n == 16) return load_lanes(p);
  T t[16] = {};
  for (std::size_t i = 0; i < n; ++i) t[i] = p[i];
  return load_lanes(t);
}
template <class T>
GRPO_INLINE void store_some(T* p, v16 x, std::size_t n) {
  if (n == 16) return store_lanes(p, x);
  T t[16];
  store_lanes(t, x);
  for (std::size_t i = 0; i < n; ++i) p[i] = t[i];
}
#endif

}  // namespace GRPO_ISA_NS
}  // namespace grpo
