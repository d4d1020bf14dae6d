#include "kernels/rotary_simd.h"

namespace grpo {

RotaryHead<float> rotary_neon_f32() { return neon::rotary_simd<float>(); }
RotaryHead<bf16> rotary_neon_b16() { return neon::rotary_simd<bf16>(); }

}  // namespace grpo
