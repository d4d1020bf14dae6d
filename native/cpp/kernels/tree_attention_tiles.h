#pragma once
#include <cstddef>

#include "core/dtype.h"
#include "kernels/tree_attention.h"

namespace grpo {

// What the walk over blocks (tree_attention.cpp) asks of an instruction set: everything that happens between a few rows and
// one block of keys. A tile row is one query head of one row; heads of a row follow each other. Row arrays have `padded` columns.

template <class T>
struct ForwardTile {
  using C = compute_t<T>;
  std::size_t rows, dim, padded;
  C scale;                      // of q . k, times log2(e): p = 2^(scale q . k - max)
  const T* q;                   // (rows, padded)
  const std::int32_t* visible;  // (rows): keys 0..visible-1 of the block are seen; 1..64
  const T *k, *v;               // the block
  const std::ptrdiff_t* own;    // (rows), of heads up to 16: elements from k and v to the block of each row; or nullptr: one block for all
  std::ptrdiff_t next;          // elements from k and v to the block that is read after this; or 0
  C *max, *sum, *acc;           // (rows), (rows, 16) partial sums by lane, (rows, padded): carried
};

template <class T>
struct BackwardTile {
  using C = compute_t<T>;
  std::size_t rows, dim, padded;
  C scale, gradient_scale;      // as in ForwardTile; and without log2(e)
  const T *q, *dout;            // (rows, padded)
  const std::int32_t* visible;
  const C *stats, *delta;       // (rows, 2), (rows)
  const T *k, *k_rows, *v_columns;
  C* dq;                        // (rows, padded): continued; or nullptr
  C *dk, *dv;                   // (64, padded): continued; or nullptr
};

template <class T>
struct AttentionTiles {
  using C = compute_t<T>;
  void (*forward)(const ForwardTile<T>&);
  // o = acc / sum into out (dim); stats (2) or nullptr
  void (*finish)(std::size_t dim, C max, const C* sum, const C* acc, T* out, C* stats);
  C (*dot)(std::size_t dim, const T* a, const T* b);
  void (*backward)(const BackwardTile<T>&);
  // to = (accumulate: to +) from, rounded once
  void (*round)(std::size_t n, const C* from, T* to, bool accumulate);
};

template <class T>
AttentionTiles<T> reference_tiles();

AttentionTiles<float> avx2_tiles_f32();
AttentionTiles<bf16> avx2_tiles_b16();
AttentionTiles<float> avx512_tiles_f32();
AttentionTiles<bf16> avx512_tiles_b16();
AttentionTiles<bf16> avx512bf16_tiles_b16();
AttentionTiles<bf16> amx_tiles_b16();
AttentionTiles<float> neon_tiles_f32();
AttentionTiles<bf16> neon_tiles_b16();

struct AllTiles {
  AttentionTiles<float> f32;
  AttentionTiles<bf16> b16;
  AttentionTiles<double> f64;
};

// Element (key, d) of a block; see block_elements.
template <class T>
inline T& key_at(T* k, std::size_t padded, std::size_t key, std::size_t d) {
  return k[(key / 32) * 32 * padded + d * 32 + key % 32];
}
inline bf16& key_at(bf16* k, std::size_t padded, std::size_t key, std::size_t d) {
  return k[(key / 32) * 32 * padded + (d / 2) * 64 + (key % 32) * 2 + d % 2];
}
inline const bf16& key_at(const bf16* k, std::size_t padded, std::size_t key, std::size_t d) {
  return key_at(const_cast<bf16*>(k), padded, key, d);
}
template <class T>
inline T& value_at(T* v, std::size_t padded, std::size_t key, std::size_t d) {
  return v[key * padded + d];
}
inline bf16& value_at(bf16* v, std::size_t padded, std::size_t key, std::size_t d) {
  return v[(key / 2) * 2 * padded + d * 2 + key % 2];
}
inline const bf16& value_at(const bf16* v, std::size_t padded, std::size_t key, std::size_t d) {
  return value_at(const_cast<bf16*>(v), padded, key, d);
}

}  // namespace grpo
