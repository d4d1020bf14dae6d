#include "kernels/embedding.h"

#include <cstring>

#include "kernels/split.h"
#include "kernels/with_type.h"

namespace grpo {
namespace {

constexpr std::size_t kPanel = 32;

template <class T>
void copy_from_panels(std::size_t cols, std::size_t id, const T* table, T* y) {
  const T* first = table + id / kPanel * kPanel * cols + id % kPanel;
  for (std::size_t k = 0; k < cols; ++k) y[k] = first[k * kPanel];
}

void copy_from_panels(std::size_t cols, std::size_t id, const bf16* table, bf16* y) {
  const std::size_t pairs = (cols + 1) / 2;
  const bf16* first = table + 2 * (id / kPanel * kPanel * pairs + id % kPanel);
  for (std::size_t k = 0; k < cols; ++k) y[k] = first[k / 2 * 2 * kPanel + k % 2];
}

}  // namespace

void embedding(ThreadPool& pool, DType dtype, bool panels, std::size_t cols, const std::int32_t* ids, std::size_t count,
               const void* table, void* y) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    const T* from = static_cast<const T*>(table);
    T* to = static_cast<T*>(y);
    for_ranges(pool, count, cols * (panels ? 8 : 1), [&](std::size_t begin, std::size_t end) {
      for (std::size_t m = begin; m < end; ++m) {
        const std::size_t id = static_cast<std::size_t>(ids[m]);
        if (panels) copy_from_panels(cols, id, from, to + m * cols);
        else std::memcpy(to + m * cols, from + id * cols, cols * sizeof(T));
      }
    });
  });
}

void embedding_backward(ThreadPool& pool, DType dtype, std::size_t cols, const std::int32_t* slots, std::size_t count,
                        const void* dy, void* sums) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    const T* from = static_cast<const T*>(dy);
    for_ranges(pool, cols, count, [&](std::size_t begin, std::size_t end) {
      for (std::size_t m = 0; m < count; ++m) {
        compute_t<T>* to = static_cast<compute_t<T>*>(sums) + static_cast<std::size_t>(slots[m]) * cols;
        for (std::size_t c = begin; c < end; ++c) to[c] += load(from[m * cols + c]);
      }
    });
  });
}

}  // namespace grpo
