#include "kernels/gather_rows.h"

#include <cstring>

#include "kernels/split.h"
#include "kernels/with_type.h"

namespace grpo {

void gather_rows(ThreadPool& pool, DType dtype, std::size_t cols, const std::int32_t* rows, std::size_t count,
                 const void* x, void* y) noexcept {
  const std::size_t bytes = cols * size_of(dtype);
  for_ranges(pool, count, cols, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      std::memcpy(static_cast<char*>(y) + i * bytes, static_cast<const char*>(x) + static_cast<std::size_t>(rows[i]) * bytes, bytes);
  });
}

void gather_slabs(ThreadPool& pool, DType dtype, std::size_t cols, std::size_t slab_rows, const std::int32_t* rows, std::size_t count,
                  const void* const* slabs, void* y) noexcept {
  const std::size_t bytes = cols * size_of(dtype);
  for_ranges(pool, count, cols, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t row = static_cast<std::size_t>(rows[i]);
      const char* slab = static_cast<const char*>(slabs[row / slab_rows]);
      std::memcpy(static_cast<char*>(y) + i * bytes, slab + row % slab_rows * bytes, bytes);
    }
  });
}

void gather_rows_backward(ThreadPool& pool, DType dtype, std::size_t cols, const std::int32_t* rows, std::size_t count,
                          const void* dy, std::size_t x_rows, void* dx, bool accumulate) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    const T* from = static_cast<const T*>(dy);
    T* to = static_cast<T*>(dx);
    if (!accumulate) {
      for_ranges(pool, x_rows, cols, [&](std::size_t begin, std::size_t end) {
        std::memset(to + begin * cols, 0, (end - begin) * cols * sizeof(T));
      });
    }
    for_ranges(pool, count, cols, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        T* row = to + static_cast<std::size_t>(rows[i]) * cols;
        if (!accumulate) std::memcpy(row, from + i * cols, cols * sizeof(T));
        else
          for (std::size_t c = 0; c < cols; ++c) store(row[c], load(row[c]) + load(from[i * cols + c]));
      }
    });
  });
}

}  // namespace grpo
