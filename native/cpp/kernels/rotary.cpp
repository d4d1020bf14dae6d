// Rows and threads of the rotary embedding; heads are done by the functions of the instruction set.
#include "kernels/rotary.h"

#include <cstring>
#include <vector>

#include "kernels/split.h"
#include "kernels/with_type.h"

namespace grpo {
namespace {

struct AllHeads {
  RotaryHead<float> f32;
  RotaryHead<bf16> b16;
  RotaryHead<double> f64;
};
const RotaryHead<float>& pick(const AllHeads& all, float) { return all.f32; }
const RotaryHead<bf16>& pick(const AllHeads& all, bf16) { return all.b16; }
const RotaryHead<double>& pick(const AllHeads& all, double) { return all.f64; }

template <class T>
struct Rotary {
  using C = compute_t<T>;
  ThreadPool& pool;
  const RotaryHead<T>& head;
  const RotaryShape& s;
  const C* table;
  const T *q_norm, *k_norm;
  const std::size_t dim = s.head_dim, turned = s.heads + s.kv_heads, width = (turned + s.kv_heads) * dim;
  const C epsilon = static_cast<C>(s.epsilon);

  const C* angles(std::size_t row) const { return table + static_cast<std::size_t>(s.position[row]) * dim; }

  // f(norm, head, 1) for heads with a norm, f(nullptr, first head, count) for heads beside each other that have none.
  template <class F>
  void each_part(F&& f) const {
    const auto part = [&](const T* norm, std::size_t first, std::size_t end) {
      if (!norm) return f(norm, first, end - first);
      for (std::size_t h = first; h < end; ++h) f(norm, h, std::size_t{1});
    };
    if (!q_norm && !k_norm) return part(nullptr, 0, turned);
    part(q_norm, 0, s.heads);
    part(k_norm, s.heads, turned);
  }

  void forward(const T* x, T* y) const {
    for_ranges(pool, s.rows, width, [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) {
        each_part([&](const T* norm, std::size_t h, std::size_t count) {
          const std::size_t at = row * width + h * dim;
          if (norm) head.forward(dim, angles(row), norm, epsilon, x + at, y + at);
          else head.turn(count, dim, angles(row), false, x + at, y + at, false);
        });
        if (x != y) std::memcpy(y + row * width + turned * dim, x + row * width + turned * dim, s.kv_heads * dim * sizeof(T));
      }
    });
  }

  void backward(const T* x, const T* dy, T* dx, bool accumulate, C* dq_norm, C* dk_norm) const {
    std::vector<C> inverse(dq_norm || dk_norm ? s.rows * turned : 0);
    for_ranges(pool, s.rows, width, [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) backward_row(row, x, dy, dx, accumulate, inverse.data());
    });
    if (inverse.empty()) return;
    // Threads take 16 dimensions (and their partners) each, for all rows in order.
    const std::size_t half = dim / 2, parts = (half + 15) / 16;
    for_ranges(pool, 2 * parts, s.rows * width / parts, [&](std::size_t begin, std::size_t end) {
      for (std::size_t part = begin; part < end; ++part) {
        const bool keys = part % 2 == 1;
        const std::size_t first = part / 2 * 16, count = half - first < 16 ? half - first : 16;
        C* dnorm = keys ? dk_norm : dq_norm;
        if (!dnorm) continue;
        for (std::size_t row = 0; row < s.rows; ++row)
          for (std::size_t h = keys ? s.heads : 0; h < (keys ? turned : s.heads); ++h) {
            const std::size_t at = row * width + h * dim;
            head.norm_gradient(dim, first, count, angles(row), inverse[row * turned + h], x + at, dy + at, dnorm);
          }
      }
    });
  }

  // `inverse`: kept 1 / rms of each head, or nullptr.
  void backward_row(std::size_t row, const T* x, const T* dy, T* dx, bool accumulate, C* inverse) const {
    each_part([&](const T* norm, std::size_t h, std::size_t count) {
      const std::size_t at = row * width + h * dim;
      if (!norm) return head.turn(count, dim, angles(row), true, dy + at, dx + at, accumulate);
      const C kept = head.backward(dim, angles(row), norm, epsilon, x + at, dy + at, dx + at, accumulate);
      if (inverse) inverse[row * turned + h] = kept;
    });
    if (dx == dy) return;
    for (std::size_t i = row * width + turned * dim; i < (row + 1) * width; ++i)
      store(dx[i], accumulate ? load(dx[i]) + load(dy[i]) : load(dy[i]));
  }
};

template <AllHeads (*all_heads)()>
const AllHeads& heads_of() {
  static const AllHeads all = all_heads();
  return all;
}

template <AllHeads (*all_heads)()>
void forward(ThreadPool& pool, DType dtype, const RotaryShape& s, const void* table, const void* q_norm, const void* k_norm,
             const void* x, void* y) {
  const AllHeads& all = heads_of<all_heads>();
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    Rotary<T>{pool, pick(all, zero), s, static_cast<const compute_t<T>*>(table), static_cast<const T*>(q_norm),
              static_cast<const T*>(k_norm)}
        .forward(static_cast<const T*>(x), static_cast<T*>(y));
  });
}

template <AllHeads (*all_heads)()>
void backward(ThreadPool& pool, DType dtype, const RotaryShape& s, const void* table, const void* q_norm, const void* k_norm,
              const void* x, const void* dy, void* dx, bool accumulate, void* dq_norm, void* dk_norm) {
  const AllHeads& all = heads_of<all_heads>();
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using C = compute_t<T>;
    Rotary<T>{pool, pick(all, zero), s, static_cast<const C*>(table), static_cast<const T*>(q_norm), static_cast<const T*>(k_norm)}
        .backward(static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dx), accumulate, static_cast<C*>(dq_norm),
                  static_cast<C*>(dk_norm));
  });
}

AllHeads scalar() { return {rotary_reference<float>(), rotary_reference<bf16>(), rotary_reference<double>()}; }
#if defined(GRPO_HAVE_AVX512)
AllHeads avx2() { return {rotary_avx2_f32(), rotary_avx2_b16(), rotary_reference<double>()}; }
AllHeads avx512() { return {rotary_avx512_f32(), rotary_avx512_b16(), rotary_reference<double>()}; }
#elif defined(GRPO_HAVE_NEON)
AllHeads neon() { return {rotary_neon_f32(), rotary_neon_b16(), rotary_reference<double>()}; }
#endif

}  // namespace

RotaryKernels rotary_kernels(Isa isa) {
  switch (isa) {
#if defined(GRPO_HAVE_AVX512)
    case Isa::avx2: return {forward<avx2>, backward<avx2>};
    case Isa::avx512:
    case Isa::avx512bf16:
    case Isa::amx: return {forward<avx512>, backward<avx512>};
#elif defined(GRPO_HAVE_NEON)
    case Isa::neon: return {forward<neon>, backward<neon>};
#endif
    default: return {forward<scalar>, backward<scalar>};
  }
}

}  // namespace grpo
