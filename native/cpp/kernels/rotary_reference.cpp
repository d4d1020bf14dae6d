// The functions of rotary.h as loops a reader can check against the formula. The only path for float64.
#include <cmath>

#include "kernels/lanes.h"
#include "kernels/rotary.h"

namespace grpo {
namespace {

template <class T>
compute_t<T> inverse_rms(std::size_t dim, const T* x, compute_t<T> epsilon) {
  using C = compute_t<T>;
  LaneSum<C> squares;
  for (std::size_t i = 0; i < dim; ++i) squares.add_product(i, load(x[i]), load(x[i]));
  return C(1) / std::sqrt(squares.total() / static_cast<C>(dim) + epsilon);
}

// Elements i and i + dim / 2 of a head, turned; the transpose turns them back.
template <class C>
void rotate(C& a, C& b, C cos, C sin) {
  const C turned = std::fma(-b, sin, a * cos);
  b = std::fma(a, sin, b * cos);
  a = turned;
}

template <class T>
void turn(std::size_t heads, std::size_t dim, const compute_t<T>* table, bool back, const T* x, T* y, bool accumulate) {
  using C = compute_t<T>;
  const std::size_t half = dim / 2;
  for (std::size_t h = 0; h < heads; ++h, x += dim, y += dim)
    for (std::size_t i = 0; i < half; ++i) {
      C a = load(x[i]), b = load(x[i + half]);
      rotate<C>(a, b, table[i], back ? -table[half + i] : table[half + i]);
      store(y[i], accumulate ? load(y[i]) + a : a);
      store(y[i + half], accumulate ? load(y[i + half]) + b : b);
    }
}

template <class T>
void forward(std::size_t dim, const compute_t<T>* table, const T* norm, compute_t<T> epsilon, const T* x, T* y) {
  using C = compute_t<T>;
  const std::size_t half = dim / 2;
  const C inverse = inverse_rms(dim, x, epsilon);
  for (std::size_t i = 0; i < half; ++i) {
    C a = load(x[i]) * inverse * load(norm[i]), b = load(x[i + half]) * inverse * load(norm[i + half]);
    rotate<C>(a, b, table[i], table[half + i]);
    store(y[i], a);
    store(y[i + half], b);
  }
}

template <class T>
compute_t<T> backward(std::size_t dim, const compute_t<T>* table, const T* norm, compute_t<T> epsilon, const T* x, const T* dy, T* dx,
                      bool accumulate) {
  using C = compute_t<T>;
  const std::size_t half = dim / 2;
  const C inverse = inverse_rms(dim, x, epsilon);
  C dn[256];
  for (std::size_t i = 0; i < half; ++i) {
    dn[i] = load(dy[i]), dn[i + half] = load(dy[i + half]);
    rotate<C>(dn[i], dn[i + half], table[i], -table[half + i]);
  }
  LaneSum<C> along;
  for (std::size_t i = 0; i < dim; ++i) {
    dn[i] = dn[i] * load(norm[i]);
    along.add_product(i, dn[i], load(x[i]) * inverse);
  }
  const C mean = along.total() / static_cast<C>(dim);
  for (std::size_t i = 0; i < dim; ++i) {
    const C g = inverse * std::fma(-mean, load(x[i]) * inverse, dn[i]);
    store(dx[i], accumulate ? load(dx[i]) + g : g);
  }
  return inverse;
}

template <class T>
void norm_gradient(std::size_t dim, std::size_t first, std::size_t count, const compute_t<T>* table, compute_t<T> inverse, const T* x,
                   const T* dy, compute_t<T>* dnorm) {
  using C = compute_t<T>;
  const std::size_t half = dim / 2;
  for (std::size_t i = first; i < first + count; ++i) {
    C da = load(dy[i]), db = load(dy[i + half]);
    rotate<C>(da, db, table[i], -table[half + i]);
    dnorm[i] = std::fma(da, load(x[i]) * inverse, dnorm[i]);
    dnorm[i + half] = std::fma(db, load(x[i + half]) * inverse, dnorm[i + half]);
  }
}

}  // namespace

template <class T>
RotaryHead<T> rotary_reference() {
  return {turn<T>, forward<T>, backward<T>, norm_gradient<T>};
}
template RotaryHead<float> rotary_reference<float>();
template RotaryHead<bf16> rotary_reference<bf16>();
template RotaryHead<double> rotary_reference<double>();

}  // namespace grpo
