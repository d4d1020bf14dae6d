#pragma once
// Chooses the tile of a product: by instruction set, type and number of rows. Include from instruction-set files only.
#include "kernels/gemm_tile_simd.h"
#include "kernels/registers_simd.h"
#if defined(__AMX_BF16__)
#include "kernels/gemm_tile_amx.h"
#endif

namespace grpo {
namespace GRPO_ISA_NS {

// Most rows of a tile of row-major A.
template <class T> constexpr std::size_t kMostRows = kTileRows;
#if defined(__AMX_BF16__)
template <> constexpr std::size_t kMostRows<bf16> = kAmxRows;
#endif

// Cut of `total` rows into tiles: tile t is the rows [tile_start(t), tile_start(t + 1)). Even, but on AMX, where changing the
// number of rows costs more than a smaller last tile.
template <class T> constexpr std::size_t tiles_of(std::size_t total) { return (total + kMostRows<T> - 1) / kMostRows<T>; }
template <class T> constexpr std::size_t tile_start(std::size_t total, std::size_t tiles, std::size_t t) {
  if (kMostRows<T> > kTileRows) return t * kMostRows<T> < total ? t * kMostRows<T> : total;
  return total * t / tiles;
}

// `rows` rows of row-major A, 1 .. kMostRows<T>. FAR: the panel comes from memory and is asked into L2 too, kFarAhead bytes ahead.
template <class T, bool FAR = false, int ROWS = kTileRows>
static void multiply_rows([[maybe_unused]] Registers& registers, std::size_t rows, std::size_t length, const T* a, std::size_t stride,
                          const void* panel, float* c, bool from_c, Ahead ahead) {
#if defined(__AMX_BF16__)
  if constexpr (sizeof(T) == 2) {
    if (rows > 16) tile_rows_amx<true, FAR>(registers, rows, length, a, stride, panel, c, from_c, ahead);
    else tile_rows_amx<false, FAR>(registers, rows, length, a, stride, panel, c, from_c, ahead);
    return;
  }
#endif
  if constexpr (ROWS > 1) {
    if (rows < ROWS) return multiply_rows<T, FAR, ROWS - 1>(registers, rows, length, a, stride, panel, c, from_c, ahead);
  }
#if !defined(__AVX512BF16__)
  if constexpr (sizeof(T) == 2)
    tile_rows_wide<ROWS>(length, a, stride, panel, c, from_c,
                         FAR ? share_ahead(static_cast<const char*>(panel) + kFarAhead, 0, 0, 1) : ahead);
  else
#endif
    tile_rows<T, ROWS, FAR>(length, a, stride, panel, c, from_c, ahead);
}

// The first `rows` of packed A, 1 .. kTileRows.
template <class T, int ROWS = kTileRows>
static void multiply_packed(std::size_t rows, std::size_t steps, const void* a, const void* panel, float* c, bool from_c, Ahead ahead) {
  if constexpr (ROWS > 1) {
    if (rows < ROWS) return multiply_packed<T, ROWS - 1>(rows, steps, a, panel, c, from_c, ahead);
  }
#if !defined(__AVX512BF16__)
  if constexpr (sizeof(T) == 2) tile_packed_wide<ROWS>(steps, a, panel, c, from_c, ahead);
  else
#endif
    tile_packed<T, ROWS>(steps, a, panel, c, from_c, ahead);
}

// How tiles meet panels: `group` tiles at a time, `part` bytes of a panel before the rest of it, and each tile the same part of `panels`
// panels before the next tile.
struct Meeting {
  std::size_t part = SIZE_MAX, group = SIZE_MAX, panels = 1;
  std::size_t ahead = 0;  // bytes from a part to what is asked into L2 meanwhile; 0: what comes after it
};

constexpr std::size_t kMostPanels = 2, kStreamTiles = 3;

// Of `tiles` tiles, more than one, and panels of `bytes`.
template <class T>
static Meeting meeting_of([[maybe_unused]] std::size_t tiles, [[maybe_unused]] std::size_t bytes) {
#if defined(__AMX_BF16__)
  // A panel does not stay near between one tile and the next, a part of it does.
  if (sizeof(T) == 2) return {16 << 10, 4};
#endif
#if defined(__AVX512F__)
  // Two or three tiles take less time for a panel than memory does, and with vendors that fetch far ahead the hardware reaches more of
  // it than requests do: parts are so small that it hardly pauses between the first tile, which wakes it, and the next part.
  if (kFarAhead > 0 && tiles <= kStreamTiles && bytes >= 32 << 10)
    return tiles == 2 ? Meeting{4 << 10, SIZE_MAX, 1, kFarAhead} : Meeting{8 << 10, SIZE_MAX, 1, 8 << 10};
  // A large panel leaves no room in L2 for the next one, nor for rows as long as it is.
  return {bytes > 384 << 10 ? 64 << 10 : SIZE_MAX, SIZE_MAX, kMostPanels};
#else
  return {128 << 10};
#endif
}

// Tiles t0 .. t1 of a (M, K) row-major times `panels` panels (at most those of the meeting): store(panel, first row, rows, c (rows, 32))
// for each. `next`: the panel after them, fetched into L2 meanwhile, or null. `sums` holds the rows of all tiles for each panel.
template <class T, class Store>
static void multiply_panels(Registers& registers, const Meeting& meeting, std::size_t M, std::size_t K, const T* a, std::size_t t0,
                            std::size_t t1, const char* panel, std::size_t panels, const char* next, float* sums, Store&& store) {
  const std::size_t tiles = tiles_of<T>(M), bytes = steps_of<T>(K) * kPanelBytes;
  const std::size_t parts = t1 - t0 > 1 ? (bytes - 1) / meeting.part + 1 : 1;
  const std::size_t group = parts > 1 && meeting.group < t1 - t0 ? meeting.group : t1 - t0;
  const std::size_t first = tile_start<T>(M, tiles, t0), all = tile_start<T>(M, tiles, t1) - first;
  for (std::size_t g0 = t0; g0 < t1; g0 += group) {
    const std::size_t g1 = g0 + group < t1 ? g0 + group : t1;
    for (std::size_t part = 0; part < parts; ++part) {
      const bool last = part + 1 == parts;
      const std::size_t k0 = K / 32 * part / parts * 32, k1 = last ? K : K / 32 * (part + 1) / parts * 32;
      const std::size_t from = steps_of<T>(k0) * kPanelBytes, to = steps_of<T>(k1) * kPanelBytes;
      // One group of tiles fetches the next part just before it is needed; of several, each fetches a share of the next panels.
      const char* after = meeting.ahead > 0 ? panel + from + meeting.ahead : group < t1 - t0 ? next + from : last ? next : panel + to;
      for (std::size_t t = g0; t < g1; ++t) {
        const std::size_t m0 = tile_start<T>(M, tiles, t), rows = tile_start<T>(M, tiles, t + 1) - m0;
        for (std::size_t p = 0; p < panels; ++p) {
          const Ahead ahead = next ? share_ahead(after + p * bytes, whole_steps<T>(k1 - k0), t - t0, t1 - t0) : Ahead{};
          float* const c = sums + (parts > 1 ? p * all + m0 - first : 0) * 32;
          multiply_rows<T>(registers, rows, k1 - k0, a + m0 * K + k0, K, panel + p * bytes + from, c, part > 0, ahead);
          if (last) store(p, m0, rows, c);
        }
      }
    }
  }
}

// One tile, the M rows of a (M, K) row-major, times `panels` panels from memory: then store(p, c (M, 32)) for each. `sums` holds all of
// c: the lines of a result come from memory too, scattered over as many pages as rows, and stop the stream when they are touched.
template <class T, class Store>
static void multiply_run(Registers& registers, std::size_t M, std::size_t K, const T* a, const char* panel, std::size_t panels, float* sums,
                         Store&& store) {
  for (std::size_t p = 0; p < panels; ++p, panel += steps_of<T>(K) * kPanelBytes) {
    if (kFarAhead > 0) multiply_rows<T, true>(registers, M, K, a, K, panel, sums + p * M * 32, false, Ahead{});
    else multiply_rows<T>(registers, M, K, a, K, panel, sums + p * M * 32, false, Ahead{});
  }
  for (std::size_t p = 0; p < panels; ++p) store(p, sums + p * M * 32);
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
