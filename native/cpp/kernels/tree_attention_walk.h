#pragma once
// The walk over rows and blocks that all instruction sets share: who attends to what, in which order, on which thread.
#include <algorithm>
#include <cstring>
#include <limits>

#include "core/threads.h"
#include "kernels/attention_exp2.h"
#include "kernels/tree_attention.h"
#include "kernels/tree_attention_tiles.h"

namespace grpo {

constexpr std::size_t kUnitRows = 192;  // tile rows that walk the blocks together
constexpr std::size_t kFewRows = 2;     // tile rows of a run of small heads that wait for each other's results when alone

inline std::size_t slot_of(std::int32_t position) { return static_cast<std::size_t>(position) % kBlockKeys; }

// First slots of one block into another, for every copy in order; see AttentionKernels::copy_blocks.
template <class T>
void copy_keys(const AttentionShape& shape, std::size_t copies, const std::int32_t* copy, T* k, T* v) {
  const std::size_t dim = shape.head_dim, padded = padded_dim(dim), block = block_elements(dim);
  for (std::size_t i = 0; i < copies; ++i)
    for (std::size_t h = 0; h < shape.kv_heads; ++h) {
      const std::size_t from = (static_cast<std::size_t>(copy[3 * i]) * shape.kv_heads + h) * block;
      const std::size_t to = (static_cast<std::size_t>(copy[3 * i + 1]) * shape.kv_heads + h) * block;
      const std::size_t keys = static_cast<std::size_t>(copy[3 * i + 2]);
      for (std::size_t d = 0; d < dim; ++d)
        for (std::size_t j = 0; j < keys; ++j) key_at(k + to, padded, j, d) = key_at(k + from, padded, j, d);
      for (std::size_t j = 0; j < keys; ++j)
        for (std::size_t d = 0; d < padded; ++d) value_at(v + to, padded, j, d) = value_at(v + from, padded, j, d);
    }
}

// A copy of so few elements that a call would take longer.
template <class T>
inline void copy_few(std::size_t n, const T* from, T* to) {
  for (; n >= 4; n -= 4, from += 4, to += 4) std::memcpy(to, from, 4 * sizeof(T));
  for (; n > 0; --n) *to++ = *from++;
}

// A bump allocator over the scratch memory of one thread; arrays start on cache lines.
struct Arena {
  char* at;
  template <class T>
  T* take(std::size_t n) {
    T* p = reinterpret_cast<T*>(at);
    at += (n * sizeof(T) + 63) / 64 * 64;
    return p;
  }
};

template <class T>
struct Walk {
  using C = compute_t<T>;
  ThreadPool& pool;
  const AttentionTiles<T>& tiles;
  const AttentionShape& shape;
  const AttentionPlan& plan;
  const std::size_t group = shape.group(), dim = shape.head_dim, padded = padded_dim(dim), width = shape.width(),
                    block = block_elements(dim);

  std::size_t block_offset(std::int32_t id, std::size_t head) const {
    return (static_cast<std::size_t>(id) * shape.kv_heads + head) * block;
  }
  // Id of the block that row `row` reads at index b, or -1 when it sees no key there.
  std::int32_t block_at(std::size_t row, std::size_t b) const {
    const std::int32_t table = plan.table[row];
    if (table < 0 || static_cast<std::size_t>(plan.last_key(row)) < b * kBlockKeys) return -1;
    return plan.blocks[static_cast<std::size_t>(plan.table_start[table]) + b];
  }
  std::int32_t visible(std::size_t row, std::size_t b) const {
    return std::min<std::int32_t>(plan.last_key(row) + 1 - static_cast<std::int32_t>(b * kBlockKeys), kBlockKeys);
  }
  // Small work stays on the calling thread.
  template <class F>
  void spread(std::size_t items, double work, F&& body) const {
    if (work < 30e3)
      for (std::size_t i = 0; i < items; ++i) body(i, 0);
    else
      parallel_for(pool, items, static_cast<F&&>(body));
  }
  void reserve(std::size_t bytes) const {
    for (int t = 0; t < pool.size(); ++t) pool.scratch(t, bytes);
  }
  double pairs() const {
    double n = 0;
    for (std::size_t i = 0; i < plan.queries; ++i) {
      const std::size_t row = plan.row_of(i);
      if (plan.table[row] >= 0) n += plan.last_key(row) + 1;
    }
    return n * static_cast<double>(shape.heads * dim);
  }

  // K and V of one row and KV head into its block. V is read in whole vectors, so zeros fill it up: what memory held before may be
  // subnormal numbers, which are slow.
  void write_key(std::size_t row, std::size_t head, const T* qkv, T* k, T* v) const {
    if (plan.table[row] < 0) return;
    const std::size_t slot = slot_of(plan.position[row]), at = block_offset(plan.write_block[row], head);
    const T* from = qkv + row * width + (shape.heads + head) * dim;
    for (std::size_t d = 0; d < dim; ++d) key_at(k + at, padded, slot, d) = from[d];
    for (std::size_t d = 0; d < dim; ++d) value_at(v + at, padded, slot, d) = from[shape.kv_heads * dim + d];
    for (std::size_t d = dim; d < padded; ++d) value_at(v + at, padded, slot, d) = T{};
  }

  void write(const T* qkv, T* k, T* v) const {
    const std::size_t chunk = 64;
    spread((plan.rows + chunk - 1) / chunk, static_cast<double>(plan.rows * shape.kv_heads * dim) * 4, [&](std::size_t i, int) {
      for (std::size_t h = 0; h < shape.kv_heads; ++h)
        for (std::size_t row = i * chunk; row < std::min(plan.rows, (i + 1) * chunk); ++row) write_key(row, h, qkv, k, v);
    });
  }

  // Rows of one unit: `count` queries from `first`, of KV head `head`; those of a head follow each other, long paths first.
  struct Unit {
    std::size_t head, first, count;
  };
  std::size_t most_queries() const { return std::max<std::size_t>(1, kUnitRows / group); }
  std::size_t unit_queries() const {
    const std::size_t threads = static_cast<std::size_t>(pool.size());
    const std::size_t parts = (threads + shape.kv_heads - 1) / shape.kv_heads;
    return std::max<std::size_t>(1, std::min(most_queries(), (plan.queries + parts - 1) / parts));
  }
  std::size_t units() const { return (plan.queries + unit_queries() - 1) / unit_queries() * shape.kv_heads; }
  Unit unit(std::size_t i) const {
    const std::size_t size = unit_queries(), chunks = units() / shape.kv_heads;
    const std::size_t first = (chunks - 1 - i % chunks) * size;
    return {i / chunks, first, std::min(size, plan.queries - first)};
  }
  std::size_t blocks_of(const Unit& u) const {
    std::int32_t last = -1;
    for (std::size_t i = 0; i < u.count; ++i) {
      const std::size_t row = plan.row_of(u.first + i);
      if (plan.table[row] >= 0) last = std::max(last, plan.last_key(row));
    }
    return static_cast<std::size_t>(last + 1 + static_cast<std::int32_t>(kBlockKeys) - 1) / kBlockKeys;
  }
  // Calls body(first, count, id, b) for each run of queries of the unit that read the same block `id` at the same index b.
  template <class F>
  void each_run(const Unit& u, F&& body) const {
    const std::size_t blocks = blocks_of(u);
    for (std::size_t b = 0; b < blocks; ++b) {
      for (std::size_t i = 0; i < u.count;) {
        const std::int32_t id = block_at(plan.row_of(u.first + i), b);
        std::size_t j = i + 1;
        if (id >= 0) {
          while (j < u.count && block_at(plan.row_of(u.first + j), b) == id) ++j;
          body(i, j - i, id, b);
        }
        i = j;
      }
    }
  }
  // How many keys of its block at index b each tile row of `count` queries from `first` sees.
  void count_keys(std::size_t first, std::size_t count, std::size_t b, std::int32_t* seen) const {
    for (std::size_t i = 0; i < count; ++i) seen = std::fill_n(seen, group, visible(plan.row_of(first + i), b));
  }
  // Heads of KV head `head` of one row, from an array of `heads` heads at `from`, to rows of `padded` columns that zeros
  // fill up.
  void gather(const T* from, std::size_t head, T* to) const {
    const T* heads = from + head * group * dim;
    if (padded == dim) std::memcpy(to, heads, group * dim * sizeof(T));
    else
      for (std::size_t h = 0; h < group; ++h, to += padded) {
        copy_few(dim, heads + h * dim, to);
        std::fill(to + dim, to + padded, T{});
      }
  }

  void attend(const Unit& u, Arena arena, const T* qkv, const T* k, const T* v, T* out, C* stats) const {
    const std::size_t rows = u.count * group;
    T* q = arena.take<T>(rows * padded);
    C *max = arena.take<C>(rows), *sum = arena.take<C>(rows * 16), *acc = arena.take<C>(rows * padded);
    std::int32_t* seen = arena.take<std::int32_t>(rows);
    std::ptrdiff_t* own = arena.take<std::ptrdiff_t>(rows);
    for (std::size_t i = 0; i < u.count; ++i) gather(qkv + plan.row_of(u.first + i) * width, u.head, q + i * group * padded);
    std::fill_n(max, rows, -std::numeric_limits<C>::infinity());
    std::fill_n(sum, rows * 16, C(0));
    std::fill_n(acc, rows * padded, C(0));
    // A run waits until the next is known: that joins it where both are few rows, or has its block fetched meanwhile.
    std::size_t first = 0, count = 0, at = 0;
    bool few = false;
    const auto flush = [&](std::size_t next) {
      const std::size_t r = first * group;
      if (count > 0)
        tiles.forward({count * group, dim, padded, static_cast<C>(shape.scale * kLog2E), q + r * padded, seen + r, k + at, v + at,
                       few ? own + r : nullptr, static_cast<std::ptrdiff_t>(next - at), max + r, sum + r * 16, acc + r * padded});
    };
    each_run(u, [&](std::size_t run, std::size_t queries, std::int32_t id, std::size_t b) {
      const std::size_t to = block_offset(id, u.head);
      const bool is_few = padded == 16 && queries * group <= kFewRows;
      if (!few || !is_few || run != first + count) {
        flush(to);
        first = run;
        count = 0;
        at = to;
        few = is_few;
      }
      count += queries;
      count_keys(u.first + run, queries, b, seen + run * group);
      std::fill_n(own + run * group, queries * group, static_cast<std::ptrdiff_t>(to - at));
    });
    flush(at);
    for (std::size_t i = 0; i < u.count; ++i) {
      const std::size_t query = u.first + i;
      const bool pad = plan.table[plan.row_of(query)] < 0;
      for (std::size_t h = 0; h < group; ++h) {
        const std::size_t head = query * shape.heads + u.head * group + h, r = i * group + h;
        C* kept = stats ? stats + head * 2 : nullptr;
        if (pad) {
          std::fill_n(out + head * dim, dim, T{});
          if (kept) kept[0] = kept[1] = 0;
        } else {
          tiles.finish(dim, max[r], sum + r * 16, acc + r * padded, out + head * dim, kept);
        }
      }
    }
  }
  std::size_t attend_bytes() const {
    const std::size_t rows = unit_queries() * group;
    return rows * (padded * (sizeof(T) + sizeof(C)) + 17 * sizeof(C) + 4 + sizeof(std::ptrdiff_t)) + 6 * 64;
  }

  void forward(const T* qkv, T* k, T* v, T* out, C* stats) const {
    // Where all queries of a head are one unit, its keys are written by the thread that reads them.
    const bool together = units() == shape.kv_heads && plan.copies == 0;
    if (!together) {
      write(qkv, k, v);
      copy_keys(shape, plan.copies, plan.copy, k, v);
    }
    reserve(attend_bytes());
    spread(units(), pairs(), [&](std::size_t i, int thread) {
      const Unit u = unit(i);
      for (std::size_t row = 0; together && row < plan.rows; ++row) write_key(row, u.head, qkv, k, v);
      attend(u, Arena{static_cast<char*>(pool.scratch(thread, 0))}, qkv, k, v, out, stats);
    });
  }
};

}  // namespace grpo
