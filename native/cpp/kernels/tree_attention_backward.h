#pragma once
// Backward of tree attention without sums across threads: all of a KV head on one thread, or dq per query, then dk and dv per block.
// Then both per row.
#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/tree_attention_walk.h"

namespace grpo {

// Queries that read each block, ascending, as CSR.
struct BlockIndex {
  std::vector<std::size_t> start;
  std::vector<std::uint32_t> query, at;  // query, and the block's index in the query's path
};

template <class T>
BlockIndex index_blocks(const Walk<T>& w, std::size_t blocks) {
  const AttentionPlan& plan = w.plan;
  BlockIndex x;
  x.start.assign(blocks + 1, 0);
  for (std::size_t i = 0; i < plan.queries; ++i)
    for (std::size_t b = 0;; ++b) {
      const std::int32_t id = w.block_at(plan.row_of(i), b);
      if (id < 0) break;
      ++x.start[static_cast<std::size_t>(id) + 1];
    }
  for (std::size_t id = 0; id < blocks; ++id) x.start[id + 1] += x.start[id];
  x.query.resize(x.start[blocks]);
  x.at.resize(x.start[blocks]);
  std::vector<std::size_t> next(x.start.begin(), x.start.end() - 1);
  for (std::size_t i = 0; i < plan.queries; ++i)
    for (std::size_t b = 0;; ++b) {
      const std::int32_t id = w.block_at(plan.row_of(i), b);
      if (id < 0) break;
      const std::size_t at = next[static_cast<std::size_t>(id)]++;
      x.query[at] = static_cast<std::uint32_t>(i);
      x.at[at] = static_cast<std::uint32_t>(b);
    }
  return x;
}

// How many slots of each block hold keys that are seen.
template <class T>
std::vector<std::size_t> filled_slots(const Walk<T>& w, std::size_t blocks) {
  std::vector<std::size_t> filled(blocks, 0);
  for (std::size_t i = 0; i < w.plan.queries; ++i)
    for (std::size_t b = 0;; ++b) {
      const std::size_t row = w.plan.row_of(i);
      const std::int32_t id = w.block_at(row, b);
      if (id < 0) break;
      filled[static_cast<std::size_t>(id)] = std::max(filled[static_cast<std::size_t>(id)], static_cast<std::size_t>(w.visible(row, b)));
    }
  return filled;
}

template <class T>
struct Backward {
  using C = compute_t<T>;
  const Walk<T>& w;
  const T *qkv, *k, *v, *out;
  const C* stats;
  const T* dout;
  T* dq_rows;
  std::size_t dq_width;
  bool accumulate, continued;
  C *dk, *dv;
  T *k_rows, *v_columns;
  C* delta;

  // K as rows and V as columns; slots without a key are zero as far as tiles read, 32 at a time, so that what memory held
  // before cannot leak.
  void transpose(std::size_t id, std::size_t head, std::size_t filled) const {
    const std::size_t at = w.block_offset(static_cast<std::int32_t>(id), head), read = (filled + 31) / 32 * 32 * w.padded;
    std::fill_n(k_rows + at, read, T{});
    std::fill_n(v_columns + at, read, T{});
    for (std::size_t j = 0; j < filled; ++j)
      for (std::size_t d = 0; d < w.dim; ++d) {
        value_at(k_rows + at, w.padded, j, d) = key_at(k + at, w.padded, j, d);
        key_at(v_columns + at, w.padded, j, d) = value_at(v + at, w.padded, j, d);
      }
  }

  void gather_row(std::size_t query, std::size_t head, std::size_t i, T* q, T* dy, C* kept) const {
    w.gather(qkv + w.plan.row_of(query) * w.width, head, q + i * w.group * w.padded);
    w.gather(dout + query * w.shape.heads * w.dim, head, dy + i * w.group * w.padded);
    copy_few(w.group * 2, stats + (query * w.shape.heads + head * w.group) * 2, kept + i * w.group * 2);
  }

  void zero_keys(std::size_t id, std::size_t head) const {
    if (continued) return;
    const std::size_t at = w.block_offset(static_cast<std::int32_t>(id), head);
    std::fill_n(dk + at, w.block, C(0));
    std::fill_n(dv + at, w.block, C(0));
  }

  // dq of one unit; with `keys` also what its queries add to dk and dv.
  void queries(const typename Walk<T>::Unit& u, bool keys, Arena arena) const {
    const std::size_t group = w.group, padded = w.padded, dim = w.dim, rows = u.count * group;
    T *q = arena.take<T>(rows * padded), *dy = arena.take<T>(rows * padded);
    C *kept = arena.take<C>(rows * 2), *d = arena.take<C>(rows), *dq = arena.take<C>(rows * padded);
    std::int32_t* seen = arena.take<std::int32_t>(rows);
    std::fill_n(dq, rows * padded, C(0));
    for (std::size_t i = 0; i < u.count; ++i) {
      const std::size_t query = u.first + i, first = query * w.shape.heads + u.head * group;
      gather_row(query, u.head, i, q, dy, kept);
      for (std::size_t h = 0; h < group; ++h)
        d[i * group + h] = delta[first + h] = w.tiles.dot(dim, out + (first + h) * dim, dout + (first + h) * dim);
    }
    w.each_run(u, [&](std::size_t first, std::size_t count, std::int32_t id, std::size_t b) {
      w.count_keys(u.first + first, count, b, seen);
      const std::size_t at = w.block_offset(id, u.head), r = first * group;
      w.tiles.backward({count * group, dim, padded, static_cast<C>(w.shape.scale * kLog2E), static_cast<C>(w.shape.scale), q + r * padded,
                        dy + r * padded, seen, kept + r * 2, d + r, k + at, k_rows + at, v_columns + at, dq + r * padded,
                        keys ? dk + at : nullptr, keys ? dv + at : nullptr});
    });
    for (std::size_t i = 0; i < u.count; ++i)
      for (std::size_t h = 0; h < group; ++h)
        w.tiles.round(dim, dq + (i * group + h) * padded, dq_rows + w.plan.row_of(u.first + i) * dq_width + (u.head * group + h) * dim,
                      accumulate);
  }

  void keys(std::size_t id, std::size_t head, const BlockIndex& index, Arena arena) const {
    const std::size_t group = w.group, padded = w.padded, most = chunk_queries(), rows = most * group;
    const std::size_t at = w.block_offset(static_cast<std::int32_t>(id), head);
    T *q = arena.take<T>(rows * padded), *dy = arena.take<T>(rows * padded);
    C *kept = arena.take<C>(rows * 2), *d = arena.take<C>(rows);
    std::int32_t* seen = arena.take<std::int32_t>(rows);
    zero_keys(id, head);
    for (std::size_t first = index.start[id]; first < index.start[id + 1]; first += most) {
      const std::size_t count = std::min(most, index.start[id + 1] - first);
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t query = index.query[first + i];
        gather_row(query, head, i, q, dy, kept);
        std::memcpy(d + i * group, delta + query * w.shape.heads + head * group, group * sizeof(C));
        w.count_keys(query, 1, index.at[first + i], seen + i * group);
      }
      w.tiles.backward({count * group, w.dim, padded, static_cast<C>(w.shape.scale * kLog2E), static_cast<C>(w.shape.scale), q, dy, seen,
                        kept, d, k + at, nullptr, v_columns + at, nullptr, dk + at, dv + at});
    }
  }
  std::size_t chunk_queries() const { return std::max<std::size_t>(1, 96 / w.group); }

  // Whether whole heads on one thread each take less time than two passes, which share the work more evenly: 5 products to 7.
  bool by_head() const {
    const std::size_t threads = static_cast<std::size_t>(w.pool.size()), heads = w.shape.kv_heads;
    return (heads + threads - 1) / threads * threads * 5 <= heads * 7;
  }

  // One KV head: its queries ascend, and the blocks of each, so that every sum has the order that the two passes give it.
  void head(std::size_t head, const std::vector<std::size_t>& filled, Arena arena) const {
    for (std::size_t id = 0; id < filled.size(); ++id) {
      transpose(id, head, filled[id]);
      zero_keys(id, head);
    }
    const std::size_t most = w.most_queries();
    for (std::size_t first = 0; first < w.plan.queries; first += most)
      queries({head, first, std::min(most, w.plan.queries - first)}, true, arena);
  }

  void run(std::size_t blocks) const {
    const std::vector<std::size_t> filled = filled_slots(w, blocks);
    const std::size_t heads = w.shape.kv_heads, rows = std::max(w.most_queries(), chunk_queries()) * w.group;
    const double work = w.pairs() * 4;
    w.reserve(rows * (2 * w.padded * sizeof(T) + (w.padded + 3) * sizeof(C) + 4) + 6 * 64);
    const auto arena = [&](int thread) { return Arena{static_cast<char*>(w.pool.scratch(thread, 0))}; };
    if (by_head()) {
      w.spread(heads, work, [&](std::size_t i, int thread) { head(i, filled, arena(thread)); });
      return;
    }
    const BlockIndex index = index_blocks(w, blocks);
    w.spread(blocks * heads, work, [&](std::size_t i, int) { transpose(i / heads, i % heads, filled[i / heads]); });
    w.spread(w.units(), work, [&](std::size_t i, int thread) { queries(w.unit(i), false, arena(thread)); });
    w.spread(blocks * heads, work, [&](std::size_t i, int thread) { keys(i / heads, i % heads, index, arena(thread)); });
  }
};

// Gradients of keys and values, from the blocks to the rows that wrote them.
template <class T>
struct BackwardKeys {
  using C = compute_t<T>;
  const Walk<T>& w;
  const T* dq;
  C *dk, *dv;
  T* dqkv;
  bool accumulate;

  void copied() const {
    for (std::size_t i = w.plan.copies; i-- > 0;)
      for (std::size_t h = 0; h < w.shape.kv_heads; ++h) {
        const std::int32_t* c = w.plan.copy + 3 * i;
        const std::size_t to = w.block_offset(c[0], h), from = w.block_offset(c[1], h);
        for (std::size_t j = 0; j < static_cast<std::size_t>(c[2]) * w.padded; ++j) {
          dk[to + j] += dk[from + j];
          dv[to + j] += dv[from + j];
        }
      }
  }

  // Gradients of K and V of one row, and of its q where they are not in place.
  void scatter(std::size_t row, bool queried) const {
    T* to = dqkv + row * w.width;
    const std::size_t q = w.shape.heads * w.dim;
    const bool pad = w.plan.table[row] < 0;
    if (!accumulate && !queried) std::fill_n(to, q, T{});
    if (dq && queried) std::memcpy(to, dq + row * q, q * sizeof(T));
    if (pad) {
      if (!accumulate) std::fill_n(to + q, w.width - q, T{});
      return;
    }
    for (std::size_t h = 0; h < w.shape.kv_heads; ++h) {
      const std::size_t at = w.block_offset(w.plan.write_block[row], h) + slot_of(w.plan.position[row]) * w.padded;
      w.tiles.round(w.dim, dk + at, to + q + h * w.dim, accumulate);
      w.tiles.round(w.dim, dv + at, to + q + (w.shape.kv_heads + h) * w.dim, accumulate);
    }
  }

  void run() const {
    copied();
    std::vector<bool> queried(w.plan.rows, w.plan.query_rows == nullptr);
    if (w.plan.query_rows)
      for (std::size_t i = 0; i < w.plan.queries; ++i) queried[w.plan.row_of(i)] = true;
    const std::size_t rows = w.plan.rows, chunk = 16;
    w.spread((rows + chunk - 1) / chunk, static_cast<double>(rows * w.width), [&](std::size_t i, int) {
      for (std::size_t row = i * chunk; row < std::min(rows, (i + 1) * chunk); ++row) scatter(row, queried[row]);
    });
  }
};

}  // namespace grpo
