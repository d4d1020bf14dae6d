#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace grpo {

// Element types of tensors. f64 exists on the scalar reference path only.
enum class DType : std::uint8_t { f32 = 0, bf16 = 1, f64 = 2, i32 = 3, u8 = 4 };

constexpr std::size_t size_of(DType t) {
  return t == DType::f64 ? 8 : t == DType::bf16 ? 2 : t == DType::u8 ? 1 : 4;
}

constexpr const char* name_of(DType t) {
  return t == DType::f32 ? "f32" : t == DType::bf16 ? "bf16" : t == DType::f64 ? "f64" : t == DType::i32 ? "i32" : "u8";
}

// bfloat16: the high half of a float32. A distinct type, so that templates tell it from integers.
struct bf16 {
  std::uint16_t bits;
};

inline float to_f32(bf16 v) {
  const std::uint32_t wide = static_cast<std::uint32_t>(v.bits) << 16;
  float f;
  std::memcpy(&f, &wide, 4);
  return f;
}

// Round to nearest, ties to even; NaN stays NaN.
inline bf16 to_bf16(float f) {
  std::uint32_t u;
  std::memcpy(&u, &f, 4);
  if ((u & 0x7fffffffu) > 0x7f800000u) return bf16{static_cast<std::uint16_t>((u >> 16) | 0x40u)};
  return bf16{static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}

// A float32 in two halves: a bf16 that is it rounded half up, and the other 16 bits as a signed number beside it, so that
// together they hold each bit once.
inline float load_master(bf16 high, std::uint16_t low) {
  const std::uint32_t bits = (std::uint32_t{high.bits} << 16) + static_cast<std::uint32_t>(static_cast<std::int16_t>(low));
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
inline void store_master(bf16& high, std::uint16_t& low, float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  high.bits = static_cast<std::uint16_t>((bits + 0x8000u) >> 16);
  low = static_cast<std::uint16_t>(bits);
}

// Storage type -> arithmetic type of the reference kernels: f32 and bf16 compute in float, f64 in double.
template <class T> struct Compute { using type = T; };
template <> struct Compute<bf16> { using type = float; };
template <class T> using compute_t = typename Compute<T>::type;

inline float load(const float& v) { return v; }
inline double load(const double& v) { return v; }
inline float load(const bf16& v) { return to_f32(v); }
inline void store(float& to, float v) { to = v; }
inline void store(double& to, double v) { to = v; }
inline void store(bf16& to, float v) { to = to_bf16(v); }

}  // namespace grpo
