#include "kernels/rotary.h"

#include <cmath>

namespace grpo {
namespace {

constexpr std::size_t kMaxDim = 256;

template <class C>
C tree_sum(C* t) {
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) t[i] = t[i] + t[i + step];
  return t[0];
}

// 1 / root mean square of one head.
template <class T>
compute_t<T> inverse_rms(std::size_t dim, const T* x, double epsilon) {
  using C = compute_t<T>;
  C lanes[16] = {};
  for (std::size_t i = 0; i < dim; ++i) lanes[i % 16] = std::fma(load(x[i]), load(x[i]), lanes[i % 16]);
  return C(1) / std::sqrt(tree_sum(lanes) / static_cast<C>(dim) + static_cast<C>(epsilon));
}

template <class T>
void head_forward(std::size_t dim, const compute_t<T>* table, const T* norm, double epsilon, const T* x, T* y) {
  using C = compute_t<T>;
  const std::size_t half = dim / 2;
  const C inverse = norm ? inverse_rms(dim, x, epsilon) : C(1);
  for (std::size_t i = 0; i < half; ++i) {
    C a = load(x[i]), b = load(x[i + half]);
    if (norm) a = a * inverse * load(norm[i]), b = b * inverse * load(norm[i + half]);
    const C cos = table[i], sin = table[half + i];
    store(y[i], std::fma(-b, sin, a * cos));
    store(y[i + half], std::fma(a, sin, b * cos));
  }
}

// The rotation's transpose: gradient of the head before the rotation.
template <class T>
void unrotate(std::size_t dim, const compute_t<T>* table, const T* dy, compute_t<T>* dn) {
  const std::size_t half = dim / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const compute_t<T> a = load(dy[i]), b = load(dy[i + half]), cos = table[i], sin = table[half + i];
    dn[i] = std::fma(b, sin, a * cos);
    dn[i + half] = std::fma(-a, sin, b * cos);
  }
}

template <class T>
void head_backward(std::size_t dim, const compute_t<T>* table, const T* norm, double epsilon, const T* x, const T* dy, T* dx,
                   bool accumulate) {
  using C = compute_t<T>;
  C dn[kMaxDim];
  unrotate(dim, table, dy, dn);
  if (norm) {
    const C inverse = inverse_rms(dim, x, epsilon);
    C lanes[16] = {};
    for (std::size_t i = 0; i < dim; ++i) {
      dn[i] = dn[i] * load(norm[i]);
      lanes[i % 16] = std::fma(dn[i], load(x[i]) * inverse, lanes[i % 16]);
    }
    const C mean = tree_sum(lanes) / static_cast<C>(dim);
    for (std::size_t i = 0; i < dim; ++i) dn[i] = inverse * std::fma(-mean, load(x[i]) * inverse, dn[i]);
  }
  for (std::size_t i = 0; i < dim; ++i) store(dx[i], accumulate ? load(dx[i]) + dn[i] : dn[i]);
}

// dnorm[i] += dn[i] x[i] / rms, rows in order, heads of a row in order.
template <class T>
void norm_gradient(const RotaryShape& s, const compute_t<T>* table, std::size_t first_head, std::size_t heads, const T* x, const T* dy,
                   compute_t<T>* dnorm) {
  using C = compute_t<T>;
  const std::size_t dim = s.head_dim, width = (s.heads + 2 * s.kv_heads) * dim;
  for (std::size_t row = 0; row < s.rows; ++row)
    for (std::size_t h = first_head; h < first_head + heads; ++h) {
      const std::size_t at = row * width + h * dim;
      C dn[kMaxDim];
      unrotate(dim, table + static_cast<std::size_t>(s.position[row]) * dim, dy + at, dn);
      const C inverse = inverse_rms(dim, x + at, s.epsilon);
      for (std::size_t i = 0; i < dim; ++i) dnorm[i] = std::fma(dn[i], load(x[at + i]) * inverse, dnorm[i]);
    }
}

template <class T>
void forward(ThreadPool& pool, const RotaryShape& s, const compute_t<T>* table, const T* q_norm, const T* k_norm, const T* x, T* y) {
  const std::size_t dim = s.head_dim, width = (s.heads + 2 * s.kv_heads) * dim;
  parallel_for(pool, (s.rows + 15) / 16, [&](std::size_t chunk, int) {
    for (std::size_t row = chunk * 16; row < s.rows && row < chunk * 16 + 16; ++row) {
      for (std::size_t h = 0; h < s.heads + s.kv_heads; ++h)
        head_forward(dim, table + static_cast<std::size_t>(s.position[row]) * dim, h < s.heads ? q_norm : k_norm, s.epsilon,
                     x + row * width + h * dim, y + row * width + h * dim);
      if (x != y)
        for (std::size_t i = (s.heads + s.kv_heads) * dim; i < width; ++i) y[row * width + i] = x[row * width + i];
    }
  });
}

template <class T>
void backward(ThreadPool& pool, const RotaryShape& s, const compute_t<T>* table, const T* q_norm, const T* k_norm, const T* x,
              const T* dy, T* dx, bool accumulate, compute_t<T>* dq_norm, compute_t<T>* dk_norm) {
  const std::size_t dim = s.head_dim, width = (s.heads + 2 * s.kv_heads) * dim;
  parallel_for(pool, 2, [&](std::size_t part, int) {
    if (part == 0 && dq_norm) norm_gradient(s, table, 0, s.heads, x, dy, dq_norm);
    if (part == 1 && dk_norm) norm_gradient(s, table, s.heads, s.kv_heads, x, dy, dk_norm);
  });
  parallel_for(pool, (s.rows + 15) / 16, [&](std::size_t chunk, int) {
    for (std::size_t row = chunk * 16; row < s.rows && row < chunk * 16 + 16; ++row) {
      for (std::size_t h = 0; h < s.heads + s.kv_heads; ++h) {
        const std::size_t at = row * width + h * dim;
        head_backward(dim, table + static_cast<std::size_t>(s.position[row]) * dim, h < s.heads ? q_norm : k_norm, s.epsilon, x + at,
                      dy + at, dx + at, accumulate);
      }
      if (dx != dy)
        for (std::size_t i = row * width + (s.heads + s.kv_heads) * dim; i < (row + 1) * width; ++i)
          store(dx[i], accumulate ? load(dx[i]) + load(dy[i]) : load(dy[i]));
    }
  });
}

template <class F>
void with_type(DType dtype, F&& body) {
  if (dtype == DType::f64) body(double{});
  else if (dtype == DType::bf16) body(bf16{});
  else body(float{});
}

}  // namespace

void rotary(ThreadPool& pool, DType dtype, const RotaryShape& s, const void* table, const void* q_norm, const void* k_norm,
            const void* x, void* y) {
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    forward(pool, s, static_cast<const compute_t<T>*>(table), static_cast<const T*>(q_norm), static_cast<const T*>(k_norm),
            static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void rotary_backward(ThreadPool& pool, DType dtype, const RotaryShape& s, const void* table, const void* q_norm, const void* k_norm,
                     const void* x, const void* dy, void* dx, bool accumulate, void* dq_norm, void* dk_norm) {
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using C = compute_t<T>;
    backward(pool, s, static_cast<const C*>(table), static_cast<const T*>(q_norm), static_cast<const T*>(k_norm),
             static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dx), accumulate, static_cast<C*>(dq_norm),
             static_cast<C*>(dk_norm));
  });
}

}  // namespace grpo
