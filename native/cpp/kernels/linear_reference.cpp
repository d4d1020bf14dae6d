#include <algorithm>
#include <cmath>

#include "kernels/linear.h"
#include "kernels/panels.h"
#include "kernels/with_type.h"

namespace grpo {
namespace {

// One chain element at a time; for bf16 the odd element of each pair comes first.
template <class T, class F> void for_chain(std::size_t length, F&& f) {
  if constexpr (sizeof(T) == sizeof(bf16)) {
    for (std::size_t i = 0; i < length; i += 2) {
      if (i + 1 < length) f(i + 1);
      f(i);
    }
  } else {
    for (std::size_t i = 0; i < length; ++i) f(i);
  }
}

template <class T>
void forward(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const T* x, const T* w, const T* bias,
             const T* residual, void* y, bool float32) {
  using A = compute_t<T>;
  parallel_for(pool, panel_count(N), [&](std::size_t p, int) {
    const T* panel = w + p * panel_elements<T>(K);
    for (std::size_t m = 0; m < M; ++m) {
      for (std::size_t j = 0; j < kPanel && p * kPanel + j < N; ++j) {
        const std::size_t n = p * kPanel + j;
        A acc = 0;
        for_chain<T>(K, [&](std::size_t k) { acc = std::fma(A{load(x[m * K + k])}, A{load(panel[panel_index<T>(k, j)])}, acc); });
        if (bias) acc += load(bias[n]);
        if (residual) acc += load(residual[m * N + n]);
        if (float32) static_cast<float*>(y)[m * N + n] = static_cast<float>(acc);
        else store(static_cast<T*>(y)[m * N + n], acc);
      }
    }
  });
}

template <class T>
void input_gradient(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const T* dy, const T* w, T* dx,
                    bool accumulate) {
  using A = compute_t<T>;
  parallel_for(pool, M, [&](std::size_t m, int) {
    for (std::size_t k = 0; k < K; ++k) {
      A acc = 0;
      for_chain<T>(N, [&](std::size_t n) {
        const T* panel = w + n / kPanel * panel_elements<T>(K);
        acc = std::fma(A{load(dy[m * N + n])}, A{load(panel[panel_index<T>(k, n % kPanel)])}, acc);
      });
      T& out = dx[m * K + k];
      store(out, accumulate ? load(out) + acc : acc);
    }
  });
}

template <class T>
void weight_gradient(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const T* x, const T* dy,
                     compute_t<T>* dw, bool accumulate) {
  using A = compute_t<T>;
  if (!accumulate) std::fill_n(dw, panel_count(N) * kPanel * K, A{0});
  parallel_for(pool, panel_count(N), [&](std::size_t p, int) {
    A* panel = dw + p * K * kPanel;
    for (std::size_t k = 0; k < K; ++k) {
      for (std::size_t j = 0; j < kPanel && p * kPanel + j < N; ++j) {
        A acc = panel[k * kPanel + j];
        for (std::size_t m = 0; m < M; ++m) acc = std::fma(A{load(x[m * K + k])}, A{load(dy[m * N + p * kPanel + j])}, acc);
        panel[k * kPanel + j] = acc;
      }
    }
  });
}

template <class T>
void bias_gradient(ThreadPool&, std::size_t M, std::size_t N, const T* dy, compute_t<T>* dbias) {
  for (std::size_t m = 0; m < M; ++m) {
    for (std::size_t n = 0; n < N; ++n) dbias[n] += load(dy[m * N + n]);
  }
}

template <class T> void add(ThreadPool&, std::size_t count, T* target, const T* source) {
  for (std::size_t i = 0; i < count; ++i) store(target[i], load(target[i]) + load(source[i]));
}

}  // namespace

LinearKernels linear_reference() {
  LinearKernels kernels;
  kernels.forward = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, std::size_t K, const void* x,
                       const void* w, const void* bias, const void* residual, void* y, bool float32) {
    with_type(dtype, [&](auto t) {
      using T = decltype(t);
      forward(pool, M, N, K, static_cast<const T*>(x), static_cast<const T*>(w), static_cast<const T*>(bias),
              static_cast<const T*>(residual), y, float32);
    });
  };
  kernels.input_gradient = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, std::size_t K, const void* dy,
                              const void* w, void* dx, bool accumulate) {
    with_type(dtype, [&](auto t) {
      using T = decltype(t);
      input_gradient(pool, M, N, K, static_cast<const T*>(dy), static_cast<const T*>(w), static_cast<T*>(dx), accumulate);
    });
  };
  kernels.weight_gradient = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, std::size_t K, const void* x,
                               const void* dy, void* dw, bool accumulate, PendingRows*) {
    with_type(dtype, [&](auto t) {
      using T = decltype(t);
      weight_gradient(pool, M, N, K, static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<compute_t<T>*>(dw),
                      accumulate);
    });
  };
  kernels.gradient_block = [](DType, std::size_t) { return std::size_t{1}; };
  kernels.bias_gradient = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, const void* dy, void* dbias) {
    with_type(dtype, [&](auto t) {
      using T = decltype(t);
      bias_gradient(pool, M, N, static_cast<const T*>(dy), static_cast<compute_t<T>*>(dbias));
    });
  };
  kernels.add = [](ThreadPool& pool, DType dtype, std::size_t count, void* target, const void* source) {
    with_type(dtype, [&](auto t) {
      using T = decltype(t);
      add(pool, count, static_cast<T*>(target), static_cast<const T*>(source));
    });
  };
  return kernels;
}

}  // namespace grpo
