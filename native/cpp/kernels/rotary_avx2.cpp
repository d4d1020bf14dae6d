#include "kernels/rotary_simd.h"

namespace grpo {

RotaryHead<float> rotary_avx2_f32() { return avx2::rotary_simd<float>(); }
RotaryHead<bf16> rotary_avx2_b16() { return avx2::rotary_simd<bf16>(); }

}  // namespace grpo
