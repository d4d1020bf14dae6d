#include "kernels/square_sums.h"

#include "kernels/lanes.h"
#include "kernels/split.h"

namespace grpo {
namespace {

template <class T>
double square_sum(const T* values, std::size_t n) {
  LaneSum<double> sum;
  for (std::size_t i = 0; i < n; ++i) sum.add_product(i, values[i], values[i]);
  return sum.total();
}

}  // namespace

void square_sums(ThreadPool& pool, DType dtype, std::size_t count, const void* values, double* sums) noexcept {
  for_ranges(pool, (count + kSquareChunk - 1) / kSquareChunk, kSquareChunk, [&](std::size_t begin, std::size_t end) {
    for (std::size_t j = begin; j < end; ++j) {
      const std::size_t start = j * kSquareChunk, n = count - start < kSquareChunk ? count - start : kSquareChunk;
      sums[j] = dtype == DType::f64 ? square_sum(static_cast<const double*>(values) + start, n)
                                    : square_sum(static_cast<const float*>(values) + start, n);
    }
  });
}

}  // namespace grpo
