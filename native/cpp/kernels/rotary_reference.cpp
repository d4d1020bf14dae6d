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

template <class T>
void forward(std::size_t dim, const compute_t<T>* table, const T* norm, compute_t<T> epsilon, const T* x, T* y) {
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

// Gradient of the head before the rotation: the rotation's transpose.
template <class C>
void unrotate(C a, C b, C cos, C sin, C& da, C& db) {
  da = std::fma(b, sin, a * cos);
  db = std::fma(-a, sin, b * cos);
}

template <class T>
compute_t<T> backward(std::size_t dim, const compute_t<T>* table, const T* norm, compute_t<T> epsilon, const T* x, const T* dy, T* dx,
                      bool accumulate) {
  using C = compute_t<T>;
  const std::size_t half = dim / 2;
  C dn[256], inverse = 1;
  for (std::size_t i = 0; i < half; ++i) unrotate<C>(load(dy[i]), load(dy[i + half]), table[i], table[half + i], dn[i], dn[i + half]);
  if (norm) {
    inverse = inverse_rms(dim, x, epsilon);
    LaneSum<C> along;
    for (std::size_t i = 0; i < dim; ++i) {
      dn[i] = dn[i] * load(norm[i]);
      along.add_product(i, dn[i], load(x[i]) * inverse);
    }
    const C mean = along.total() / static_cast<C>(dim);
    for (std::size_t i = 0; i < dim; ++i) dn[i] = inverse * std::fma(-mean, load(x[i]) * inverse, dn[i]);
  }
  for (std::size_t i = 0; i < dim; ++i) store(dx[i], accumulate ? load(dx[i]) + dn[i] : dn[i]);
  return inverse;
}

template <class T>
void norm_gradient(std::size_t dim, std::size_t first, std::size_t count, const compute_t<T>* table, compute_t<T> inverse, const T* x,
                   const T* dy, compute_t<T>* dnorm) {
  using C = compute_t<T>;
  const std::size_t half = dim / 2;
  for (std::size_t i = first; i < first + count; ++i) {
    C da, db;
    unrotate<C>(load(dy[i]), load(dy[i + half]), table[i], table[half + i], da, db);
    dnorm[i] = std::fma(da, load(x[i]) * inverse, dnorm[i]);
    dnorm[i + half] = std::fma(db, load(x[i + half]) * inverse, dnorm[i + half]);
  }
}

}  // namespace

template <class T>
RotaryHead<T> rotary_reference() {
  return {forward<T>, backward<T>, norm_gradient<T>};
}
template RotaryHead<float> rotary_reference<float>();
template RotaryHead<bf16> rotary_reference<bf16>();
template RotaryHead<double> rotary_reference<double>();

}  // namespace grpo
