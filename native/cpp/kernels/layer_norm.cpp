#include "kernels/layer_norm.h"

#include "kernels/lanes.h"
#include "kernels/split.h"
#include "kernels/with_type.h"

namespace grpo {
namespace {

template <class T>
void forward_row(std::size_t cols, compute_t<T> eps, const T* x, const T* weight, const T* bias, T* y,
                 compute_t<T>& mean, compute_t<T>& inv_std) {
  using C = compute_t<T>;
  LaneSum<C> sum, squares;
  for (std::size_t c = 0; c < cols; ++c) sum.add(c, load(x[c]));
  mean = sum.total() / C(cols);
  for (std::size_t c = 0; c < cols; ++c) squares.add_product(c, load(x[c]) - mean, load(x[c]) - mean);
  inv_std = C(1) / std::sqrt(squares.total() / C(cols) + eps);
  for (std::size_t c = 0; c < cols; ++c) {
    const C h = (load(x[c]) - mean) * inv_std;
    store(y[c], std::fma(h, C(load(weight[c])), bias == nullptr ? C(0) : C(load(bias[c]))));
  }
}

template <class T>
void backward_row(std::size_t cols, const T* x, const T* weight, compute_t<T> mean, compute_t<T> inv_std, const T* dy,
                  T* dx, bool accumulate) {
  using C = compute_t<T>;
  LaneSum<C> sum, dot;
  for (std::size_t c = 0; c < cols; ++c) {
    const C t = load(dy[c]) * load(weight[c]), h = (load(x[c]) - mean) * inv_std;
    sum.add(c, t);
    dot.add_product(c, t, h);
  }
  const C mean_t = sum.total() / C(cols), mean_th = dot.total() / C(cols);
  for (std::size_t c = 0; c < cols; ++c) {
    const C t = load(dy[c]) * load(weight[c]), h = (load(x[c]) - mean) * inv_std;
    const C d = inv_std * std::fma(h, -mean_th, t - mean_t);
    store(dx[c], accumulate ? load(dx[c]) + d : d);
  }
}

}  // namespace

void layer_norm(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, double eps, const void* x,
                const void* weight, const void* bias, void* y, void* stats) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using C = compute_t<T>;
    C *mean = static_cast<C*>(stats), *inv_std = mean + rows;
    for_ranges(pool, rows, cols, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; ++r)
        forward_row(cols, C(eps), static_cast<const T*>(x) + r * cols, static_cast<const T*>(weight),
                    static_cast<const T*>(bias), static_cast<T*>(y) + r * cols, mean[r], inv_std[r]);
    });
  });
}

void layer_norm_backward(ThreadPool& pool, DType dtype, std::size_t rows, std::size_t cols, const void* x,
                         const void* weight, const void* stats, const void* dy, void* dx, bool accumulate,
                         void* dweight, void* dbias) noexcept {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using C = compute_t<T>;
    const T *xs = static_cast<const T*>(x), *dys = static_cast<const T*>(dy);
    const C *mean = static_cast<const C*>(stats), *inv_std = mean + rows;
    C *dw = static_cast<C*>(dweight), *db = static_cast<C*>(dbias);
    for_ranges(pool, cols, rows, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = begin; c < end; ++c) {
          const C d = load(dys[r * cols + c]);
          dw[c] = std::fma(d, (load(xs[r * cols + c]) - mean[r]) * inv_std[r], dw[c]);
          if (db != nullptr) db[c] += d;
        }
    });
    for_ranges(pool, rows, cols, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; ++r)
        backward_row(cols, xs + r * cols, static_cast<const T*>(weight), mean[r], inv_std[r], dys + r * cols,
                     static_cast<T*>(dx) + r * cols, accumulate);
    });
  });
}

}  // namespace grpo
