#include "kernels/blend.h"

#include <cmath>

namespace grpo {
namespace {

constexpr std::size_t kChunk = 1 << 16;

template <class F>
void in_chunks(ThreadPool& pool, std::size_t count, F&& element) {
  parallel_for(pool, (count + kChunk - 1) / kChunk, [&](std::size_t chunk, int) {
    const std::size_t end = (chunk + 1) * kChunk < count ? (chunk + 1) * kChunk : count;
    for (std::size_t i = chunk * kChunk; i < end; ++i) element(i);
  });
}

template <class T>
void blend_as(ThreadPool& pool, std::size_t count, compute_t<T> weight, const T* source, T* target) {
  in_chunks(pool, count, [=](std::size_t i) {
    const compute_t<T> old = load(target[i]);
    store(target[i], std::fma(weight, load(source[i]) - old, old));
  });
}

void blend_masters(ThreadPool& pool, std::size_t count, float weight, const bf16* source, bf16* target, std::uint16_t* low) {
  in_chunks(pool, count, [=](std::size_t i) {
    const float old = load_master(target[i], low[i]);
    store_master(target[i], low[i], std::fma(weight, load(source[i]) - old, old));
  });
}

}  // namespace

void blend(ThreadPool& pool, DType dtype, std::size_t count, double weight, const void* source, void* target,
           std::uint16_t* low) noexcept {
  if (dtype == DType::f32)
    blend_as(pool, count, static_cast<float>(weight), static_cast<const float*>(source), static_cast<float*>(target));
  else if (dtype == DType::bf16 && low)
    blend_masters(pool, count, static_cast<float>(weight), static_cast<const bf16*>(source), static_cast<bf16*>(target), low);
  else if (dtype == DType::bf16)
    blend_as(pool, count, static_cast<float>(weight), static_cast<const bf16*>(source), static_cast<bf16*>(target));
  else
    blend_as(pool, count, weight, static_cast<const double*>(source), static_cast<double*>(target));
}

}  // namespace grpo
