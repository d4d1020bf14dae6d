#include "kernels/blend.h"

#include <cmath>

#include "kernels/lanes.h"

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

template <class T>
void distances_as(ThreadPool& pool, std::size_t count, const T* a, const T* b, double* sums) {
  parallel_for(pool, (count + kDistanceChunk - 1) / kDistanceChunk, [=](std::size_t chunk, int) {
    const std::size_t end = (chunk + 1) * kDistanceChunk < count ? (chunk + 1) * kDistanceChunk : count;
    LaneSum<double> sum;
    for (std::size_t i = chunk * kDistanceChunk; i < end; ++i) {
      const double d = static_cast<double>(load(a[i])) - static_cast<double>(load(b[i]));
      sum.add_product(i, d, d);
    }
    sums[chunk] = sum.total();
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

void square_distances(ThreadPool& pool, DType dtype, std::size_t count, const void* a, const void* b, double* sums) noexcept {
  if (dtype == DType::f32)
    distances_as(pool, count, static_cast<const float*>(a), static_cast<const float*>(b), sums);
  else if (dtype == DType::bf16)
    distances_as(pool, count, static_cast<const bf16*>(a), static_cast<const bf16*>(b), sums);
  else
    distances_as(pool, count, static_cast<const double*>(a), static_cast<const double*>(b), sums);
}

}  // namespace grpo
