#include "kernels/rotary_simd.h"

namespace grpo {

RotaryHead<float> rotary_avx512_f32() { return avx512::rotary_simd<float>(); }
RotaryHead<bf16> rotary_avx512_b16() { return avx512::rotary_simd<bf16>(); }

}  // namespace grpo
