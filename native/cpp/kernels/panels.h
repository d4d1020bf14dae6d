#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// Packed panels, the one form of a matrix (N, K) in memory:
//   f32, f64   [ceil(N/32)][K][32]              column j of panel p is row 32 p + j of the matrix
//   bf16       [ceil(N/32)][ceil(K/2)][32][2]   32-bit words with the pair (k, k+1), k in the low half; odd K ends with one zero
// Columns beyond N are zero. Gradients and optimizer state of a bf16 matrix are f32 panels, without pairs.
constexpr std::size_t kPanel = 32;

inline std::size_t panel_count(std::size_t N) { return (N + kPanel - 1) / kPanel; }
// Elements of one panel, and where element (k, column j) of it lies.
template <class T> inline std::size_t panel_elements(std::size_t K) { return K * kPanel; }
template <> inline std::size_t panel_elements<bf16>(std::size_t K) { return (K + K % 2) * kPanel; }
template <class T> inline std::size_t panel_index(std::size_t k, std::size_t j) { return k * kPanel + j; }
template <> inline std::size_t panel_index<bf16>(std::size_t k, std::size_t j) {
  return (k / 2 * kPanel + j) * 2 + k % 2;
}
inline std::size_t panel_elements(DType dtype, std::size_t K) {
  return dtype == DType::bf16 ? panel_elements<bf16>(K) : panel_elements<float>(K);
}

// Rows start .. start+count of `panels` (N, K) from `rows` (count, K), converted: bf16 rounds to nearest even.
void panels_pack(ThreadPool& pool, DType from, const void* rows, DType to, void* panels, std::size_t K,
                 std::size_t start, std::size_t count);

// The reverse: rows start .. start+count of `panels` into `rows` (count, K), converted.
void panels_unpack(ThreadPool& pool, DType from, const void* panels, DType to, void* rows, std::size_t K,
                   std::size_t start, std::size_t count);

// Row ids[i] of `panels` += row i of `rows` (count, K), i ascending. Both f32, or both f64.
void panels_add_rows(ThreadPool& pool, DType dtype, void* panels, std::size_t K, const std::int32_t* ids,
                     std::size_t count, const void* rows);

// to[i] = from[i], converted.
void convert(ThreadPool& pool, DType from, const void* source, DType to, void* target, std::size_t count);

}  // namespace grpo
