#include "kernels/adamw.h"

#include <cmath>
#include <cstring>

#include "kernels/split.h"
#include "kernels/with_type.h"

namespace grpo {
namespace {

constexpr std::size_t kLanes = 32;

// Index of gradient element i of a panel among the 16-bit halves of its weight words.
std::size_t pair_place(std::size_t i) { return 2 * (i / (2 * kLanes) * kLanes + i % kLanes) + i / kLanes % 2; }

template <class T>
struct Master {
  T* weight;
  T load(std::size_t i) const { return weight[i]; }
  void store(std::size_t i, T value) const { weight[i] = value; }
};

template <>
struct Master<bf16> {
  bf16* weight;
  std::uint16_t* low;
  bool pairs;
  float load(std::size_t i) const {
    const std::size_t at = pairs ? pair_place(i) : i;
    return load_master(weight[at], low[at]);
  }
  void store(std::size_t i, float value) const {
    const std::size_t at = pairs ? pair_place(i) : i;
    store_master(weight[at], low[at], value);
  }
};

// The value of code q relative to the scale of the block.
float decode_first(float q) { return q * std::fabs(q) * (1.0f / (127.0f * 127.0f)); }
float decode_second(float q) {
  const float r = q * (1.0f / 255.0f), r2 = r * r;
  return r2 * r2;
}

// Dither of element i of a block in [0, 1]: an additive sequence in two dimensions (steps and elements).
float dither_of(float base, std::size_t i) {
  const float d = std::fma(static_cast<float>(i), 0.5698402910f, base);
  return d - std::nearbyint(d - 0.5f);
}

std::uint8_t encode_first(float m, float inverse_scale, float dither) {
  const float a = std::fabs(m) * inverse_scale;
  const float q = std::fmin(std::nearbyint(std::sqrt(a) * 127.0f - 0.5f), 126.0f);
  const float below = decode_first(q), above = decode_first(q + 1.0f);
  const float code = a - below > dither * (above - below) ? q + 1.0f : q;
  return static_cast<std::uint8_t>(static_cast<int>(m < 0.0f ? -code : code) + 128);
}

std::uint8_t encode_second(float v, float inverse_scale, float dither) {
  const float a = v * inverse_scale;
  const float q = std::fmin(std::nearbyint(std::sqrt(std::sqrt(a)) * 255.0f - 0.5f), 254.0f);
  const float below = decode_second(q), above = decode_second(q + 1.0f);
  const float code = a - below > dither * (above - below) ? q + 1.0f : q;
  return static_cast<std::uint8_t>(v > 0.0f && code < 1.0f ? 1.0f : code);
}

// m and v of one block as numbers, wherever they are stored.
template <class C>
struct Moments {
  C m[kAdamWBlock], v[kAdamWBlock];

  void load(const AdamWMemory& a, std::size_t at, std::size_t block, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      if (a.scales == nullptr) {
        m[i] = static_cast<const C*>(a.m)[at + i];
        v[i] = static_cast<const C*>(a.v)[at + i];
      } else {
        m[i] = decode_first(static_cast<float>(static_cast<const std::uint8_t*>(a.m)[at + i]) - 128.0f) * a.scales[2 * block];
        v[i] = decode_second(static_cast<float>(static_cast<const std::uint8_t*>(a.v)[at + i])) * a.scales[2 * block + 1];
      }
    }
  }

  void store(const AdamWMemory& a, std::size_t at, std::size_t block, std::size_t n, float dither) const {
    if (a.scales == nullptr) {
      std::memcpy(static_cast<C*>(a.m) + at, m, n * sizeof(C));
      std::memcpy(static_cast<C*>(a.v) + at, v, n * sizeof(C));
      return;
    }
    float largest_m = 0, largest_v = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float absolute = std::fabs(static_cast<float>(m[i])), second = static_cast<float>(v[i]);
      largest_m = absolute > largest_m ? absolute : largest_m;
      largest_v = second > largest_v ? second : largest_v;
    }
    a.scales[2 * block] = largest_m;
    a.scales[2 * block + 1] = largest_v;
    const float inverse_m = largest_m > 0 ? 1.0f / largest_m : 0.0f, inverse_v = largest_v > 0 ? 1.0f / largest_v : 0.0f;
    for (std::size_t i = 0; i < n; ++i) {
      const float d = dither_of(dither, i);
      static_cast<std::uint8_t*>(a.m)[at + i] = encode_first(static_cast<float>(m[i]), inverse_m, d);
      static_cast<std::uint8_t*>(a.v)[at + i] = encode_second(static_cast<float>(v[i]), inverse_v, 1.0f - d);
    }
  }
};

template <class T>
Master<T> master_of_panel(const AdamWMemory& a, std::size_t panel) {
  if constexpr (std::is_same_v<T, bf16>) {
    const std::size_t halves = a.pairs ? (a.length + 2 * kLanes - 1) / (2 * kLanes) * 2 * kLanes : a.length;
    return {static_cast<bf16*>(a.weight) + panel * halves, a.low + panel * halves, a.pairs};
  } else {
    return {static_cast<T*>(a.weight) + panel * a.length};
  }
}

template <class T>
void step_block(const AdamWStep& step, const AdamWMemory& a, std::size_t panel, std::size_t block) {
  using C = compute_t<T>;
  const std::size_t start = block * kAdamWBlock, at = panel * a.length + start;
  const std::size_t n = a.length - start < kAdamWBlock ? a.length - start : kAdamWBlock;
  const std::size_t block_index = panel * adamw_blocks(a.length) + block;
  const Master<T> master = master_of_panel<T>(a, panel);
  const C* grad = static_cast<const C*>(a.grad) + at;
  const C keep = C(step.keep), beta2 = C(step.beta2), rest1 = C(1 - step.beta1), rest2 = C(1 - step.beta2);
  const C step_size = C(step.step_size), root_scale = C(step.root_scale), epsilon = C(step.epsilon), scale = C(step.grad_scale);
  Moments<C> moments;
  moments.load(a, at, block_index, n);
  for (std::size_t i = 0; i < n; ++i) {
    C &m = moments.m[i], &v = moments.v[i];
    const C g = grad[i] * scale;
    m = std::fma(rest1, g - m, m);
    v = std::fma(rest2 * g, g, beta2 * v);
    const C update = m / std::fma(std::sqrt(v), root_scale, epsilon);
    master.store(start + i, std::fma(-step_size, update, master.load(start + i) * keep));
  }
  moments.store(a, at, block_index, n, static_cast<float>(step.dither));
}

}  // namespace

void adamw_block(const AdamWStep& step, const AdamWMemory& memory, std::size_t panel, std::size_t block) noexcept {
  with_type(memory.dtype, [&](auto type) { step_block<decltype(type)>(step, memory, panel, block); });
}

void adamw(ThreadPool& pool, const AdamWStep& step, const AdamWMemory& memory) noexcept {
  const std::size_t blocks = adamw_blocks(memory.length);
  with_type(memory.dtype, [&](auto type) {
    for_ranges(pool, memory.panels * blocks, kAdamWBlock, [&](std::size_t begin, std::size_t end) {
      for (std::size_t b = begin; b < end; ++b) step_block<decltype(type)>(step, memory, b / blocks, b % blocks);
    });
  });
}

}  // namespace grpo
