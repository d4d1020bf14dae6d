#include "kernels/panels.h"

#include <type_traits>

#include "kernels/with_type.h"

namespace grpo {
namespace {

template <class To, class From> inline To cast(const From& v) {
  To out;
  store(out, static_cast<compute_t<To>>(load(v)));
  return out;
}

template <class Panels, class Rows, class Move>
void walk(ThreadPool& pool, Panels* panels, Rows* rows, std::size_t K, std::size_t start, std::size_t count, Move&& move) {
  if (count == 0) return;
  const std::size_t first = start / kPanel, last = panel_count(start + count);
  // 64 k at a time: a cache line of each of the 32 rows is used up while it is at hand.
  constexpr std::size_t kBlock = 64;
  parallel_for(pool, last - first, [&](std::size_t item, int) {
    const std::size_t base = (first + item) * kPanel;
    const std::size_t from = base < start ? start : base;
    const std::size_t to = base + kPanel < start + count ? base + kPanel : start + count;
    Panels* panel = panels + (first + item) * panel_elements<std::remove_const_t<Panels>>(K);
    for (std::size_t k0 = 0; k0 < K; k0 += kBlock) {
      const std::size_t k1 = k0 + kBlock < K ? k0 + kBlock : K;
      for (std::size_t n = from; n < to; ++n) {
        Rows* row = rows + (n - start) * K;
        for (std::size_t k = k0; k < k1; ++k) move(panel[panel_index<std::remove_const_t<Panels>>(k, n - base)], row[k]);
      }
    }
  });
}

template <class T>
void add_rows(ThreadPool& pool, T* panels, std::size_t K, const std::int32_t* ids, std::size_t count, const T* rows) {
  constexpr std::size_t kBlock = 256;
  parallel_for(pool, (K + kBlock - 1) / kBlock, [&](std::size_t item, int) {
    const std::size_t k0 = item * kBlock, k1 = k0 + kBlock < K ? k0 + kBlock : K;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t n = static_cast<std::size_t>(ids[i]);
      T* panel = panels + n / kPanel * panel_elements<T>(K) + n % kPanel;
      for (std::size_t k = k0; k < k1; ++k) panel[k * kPanel] += rows[i * K + k];
    }
  });
}

}  // namespace

void panels_pack(ThreadPool& pool, DType from, const void* rows, DType to, void* panels, std::size_t K,
                 std::size_t start, std::size_t count) {
  with_type(from, [&](auto f) {
    with_type(to, [&](auto t) {
      using From = decltype(f);
      using To = decltype(t);
      walk(pool, static_cast<To*>(panels), static_cast<const From*>(rows), K, start, count,
           [](To& p, const From& r) { p = cast<To>(r); });
    });
  });
}

void panels_unpack(ThreadPool& pool, DType from, const void* panels, DType to, void* rows, std::size_t K,
                   std::size_t start, std::size_t count) {
  with_type(from, [&](auto f) {
    with_type(to, [&](auto t) {
      using From = decltype(f);
      using To = decltype(t);
      walk(pool, static_cast<const From*>(panels), static_cast<To*>(rows), K, start, count,
           [](const From& p, To& r) { r = cast<To>(p); });
    });
  });
}

void panels_add_rows(ThreadPool& pool, DType dtype, void* panels, std::size_t K, const std::int32_t* ids,
                     std::size_t count, const void* rows) {
  if (dtype == DType::f64) add_rows(pool, static_cast<double*>(panels), K, ids, count, static_cast<const double*>(rows));
  else add_rows(pool, static_cast<float*>(panels), K, ids, count, static_cast<const float*>(rows));
}

void convert(ThreadPool& pool, DType from, const void* source, DType to, void* target, std::size_t count) {
  constexpr std::size_t kBlock = 1 << 16;
  with_type(from, [&](auto f) {
    with_type(to, [&](auto t) {
      using From = decltype(f);
      using To = decltype(t);
      parallel_for(pool, (count + kBlock - 1) / kBlock, [&](std::size_t item, int) {
        const std::size_t end = (item + 1) * kBlock < count ? (item + 1) * kBlock : count;
        for (std::size_t i = item * kBlock; i < end; ++i)
          static_cast<To*>(target)[i] = cast<To>(static_cast<const From*>(source)[i]);
      });
    });
  });
}

}  // namespace grpo
