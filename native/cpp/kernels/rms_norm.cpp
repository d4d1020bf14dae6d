#include "kernels/rms_norm.h"

#include "kernels/lanes.h"
#include "kernels/split.h"
#include "kernels/with_type.h"

namespace grpo {
namespace {

template <class T>
void forward_row(std::size_t cols, compute_t<T> eps, const T* x, const T* weight, T* y, compute_t<T>& inv_rms) {
  using C = compute_t<T>;
  LaneSum<C> squares;
  for (std::size_t c = 0; c < cols; ++c) squares.add_product(c, load(x[c]), load(x[c]));
  inv_rms = C(1) / std::sqrt(squares.total() / C(cols) + eps);
  for (std::size_t c = 0; c < cols; ++c) store(y[c], (load(x[c]) * inv_rms) * load(weight[c]));
}

template <class T>
void backward_row(std::size_t cols, const T* x, const T* weight, compute_t<T> inv_rms, const T* dy, T* dx, bool accumulate) {
  using C = compute_t<T>;
  LaneSum<C> dot;
  for (std::size_t c = 0; c < cols; ++c) dot.add_product(c, load(dy[c]) * load(weight[c]), load(x[c]) * inv_rms);
  const C mean = dot.total() / C(cols);
  for (std::size_t c = 0; c < cols; ++c) {
    const C t = load(dy[c]) * load(weight[c]), h = load(x[c]) * inv_rms;
    const C d = inv_rms * std::fma(h, -mean, t);
    store(dx[c], accumulate ? load(dx[c]) + d : d);
  }
}

}  // namespace

void rms_norm(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, double eps, const void* x,
              const void* weight, void* y, void* inv_rms) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using C = compute_t<T>;
    for_ranges(pool, rows, cols, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; ++r)
        forward_row(cols, C(eps), static_cast<const T*>(x) + r * cols, static_cast<const T*>(weight),
                    static_cast<T*>(y) + r * cols, static_cast<C*>(inv_rms)[r]);
    });
  });
}

void rms_norm_backward(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* x,
                       const void* weight, const void* inv_rms, const void* dy, void* dx, bool accumulate,
                       void* dweight) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using C = compute_t<T>;
    const T *xs = static_cast<const T*>(x), *dys = static_cast<const T*>(dy);
    const C* inv = static_cast<const C*>(inv_rms);
    C* dw = static_cast<C*>(dweight);
    for_ranges(pool, cols, rows, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = begin; c < end; ++c)
          dw[c] = std::fma(C(load(dys[r * cols + c])), load(xs[r * cols + c]) * inv[r], dw[c]);
    });
    for_ranges(pool, rows, cols, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; ++r)
        backward_row(cols, xs + r * cols, static_cast<const T*>(weight), inv[r], dys + r * cols,
                     static_cast<T*>(dx) + r * cols, accumulate);
    });
  });
}

}  // namespace grpo
