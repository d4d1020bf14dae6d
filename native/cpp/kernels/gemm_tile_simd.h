#pragma once
// The register tile of every matrix product: up to kTileRows rows of A times a panel of 32 columns of B,
//   c[r][j] = chain over i of a[r][i] * b[i][j],  started from 0 or from c,  c (rows, 32) in float32.
// One step of the chain is one float, or one pair of bf16 (the high half first). Lanes are columns, never parts of a sum,
// so a result does not depend on the number of rows in the tile.
// Include from instruction-set files only, as core/simd.h.
#include "core/cpu.h"
#include "core/simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

// Rows of the tile and 16-lane vectors it is wide; a panel is two vectors, taken one after the other where
// registers are few. Zen 5: 12 x 32 reaches 99 % of the peak out of the cache.
#if defined(__AVX512F__)
constexpr int kTileRows = 12, kTileVectors = 2;
#else
constexpr int kTileRows = 6, kTileVectors = 1;
#endif
constexpr std::size_t kTilePasses = 2 / kTileVectors;  // over a panel
constexpr std::size_t kPanelBytes = 32 * sizeof(float);  // of one step

// Steps of a chain over `length` elements, and how many of them are whole (the last pair of an odd length is not).
template <class T> constexpr std::size_t steps_of(std::size_t length) { return sizeof(T) == 2 ? (length + 1) / 2 : length; }
template <class T> constexpr std::size_t whole_steps(std::size_t length) { return sizeof(T) == 2 ? length / 2 : length; }

// What will be needed after this tile: `lines` cache lines after every 8 steps of each pass, from `at` on, are asked into L2.
struct Ahead {
  const char* at = nullptr;
  int lines = 0;
};
// The share of tile t of `tiles` when they fetch the `steps` steps of a panel from `next` on, which are as many as their own.
GRPO_INLINE Ahead share_ahead(const char* next, std::size_t steps, std::size_t t, std::size_t tiles) {
  const std::size_t passes = tiles * kTilePasses, lines = (16 + passes - 1) / passes;
  return {next + t * kTilePasses * (steps / 8) * 64 * lines, static_cast<int>(lines)};
}

template <class T> struct Step;

template <> struct Step<float> {
  template <int ROWS, int VECTORS, class Get>
  GRPO_INLINE void add(v16 (&acc)[ROWS][VECTORS], Get&& get, const char* b) {
    v16 w[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) w[v] = load16(reinterpret_cast<const float*>(b) + 16 * v);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) {
      float x;
      std::memcpy(&x, get(r), 4);
      const v16 xs = set16(x);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) acc[r][v] = fma16(xs, w[v], acc[r][v]);
    }
  }
};

#if defined(__AVX512BF16__)
template <> struct Step<bf16> {
  template <int ROWS, int VECTORS, class Get>
  GRPO_INLINE void add(v16 (&acc)[ROWS][VECTORS], Get&& get, const char* b) {
    p16 w[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) w[v] = load_pairs(b + 64 * v);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) {
      std::uint32_t x;
      std::memcpy(&x, get(r), 4);
      const p16 xs = set_pair(x);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) acc[r][v] = dot_pairs(acc[r][v], xs, w[v]);
    }
  }
};
#endif

template <int ROWS, int VECTORS>
GRPO_INLINE void start(v16 (&acc)[ROWS][VECTORS], const float* c, bool from_c) {
  if (from_c) {
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) acc[r][v] = load16(c + 32 * r + 16 * v);
    }
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) acc[r][v] = zero16();
    }
  }
}

template <int ROWS, int VECTORS>
GRPO_INLINE void finish(const v16 (&acc)[ROWS][VECTORS], float* c) {
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) store16(c + 32 * r + 16 * v, acc[r][v]);
  }
}

GRPO_INLINE void fetch(Ahead& ahead) {
  for (int i = 0; i < ahead.lines; ++i) __builtin_prefetch(ahead.at + 64 * i, 0, 2);
  ahead.at += 64 * ahead.lines;
}

#if !defined(__AVX512BF16__)
// Pairs of bf16 without an instruction for them: A is widened to float a block of steps at a time, the high halves beside the
// low ones, so that both passes over a panel only broadcast it.
constexpr std::size_t kWideSteps = 128;
template <int ROWS> struct Wide {
  alignas(64) float high[ROWS * kWideSteps], low[ROWS * kWideSteps];
  __attribute__((always_inline)) void set(std::size_t at, p16 pairs) {
    store16(high + at, odd_half(pairs));
    store16(low + at, even_half(pairs));
  }
};

// c continues over `steps` (at most kWideSteps) steps; row r of step i of A is at [r * ROW + i * STEP].
template <int ROWS, int ROW, int STEP, class A>
static void multiply_wide(std::size_t steps, const A& a, const char* panel, float* c, bool from_c, Ahead& ahead) {
  const std::size_t near = kStreamAhead;
  for (std::size_t pass = 0; pass < kTilePasses; ++pass) {
    v16 acc[ROWS][kTileVectors];
    start<ROWS, kTileVectors>(acc, c + 16 * pass, from_c);
    const char* b = panel + 64 * pass;
    const float *high = a.high, *low = a.low;
    const auto step = [&](int u) __attribute__((always_inline)) {
      v16 w[kTileVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kTileVectors; ++v) {
        __builtin_prefetch(b + near + kPanelBytes * static_cast<std::size_t>(u) + 64 * v, 0, 3);
        w[v] = odd_half(load_pairs(b + kPanelBytes * static_cast<std::size_t>(u) + 64 * v));
      }
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < kTileVectors; ++v) acc[r][v] = fma16(set16(high[r * ROW + u * STEP]), w[v], acc[r][v]);
#pragma GCC unroll 2
      for (int v = 0; v < kTileVectors; ++v) w[v] = even_half(load_pairs(b + kPanelBytes * static_cast<std::size_t>(u) + 64 * v));
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < kTileVectors; ++v) acc[r][v] = fma16(set16(low[r * ROW + u * STEP]), w[v], acc[r][v]);
    };
    std::size_t i = 0;
    for (; i + 8 <= steps; i += 8) {
#pragma GCC unroll 8
      for (int u = 0; u < 8; ++u) step(u);
      high += 8 * STEP;
      low += 8 * STEP;
      b += 8 * kPanelBytes;
      fetch(ahead);
    }
    for (; i < steps; ++i) {
      step(0);
      high += STEP;
      low += STEP;
      b += kPanelBytes;
    }
    finish<ROWS, kTileVectors>(acc, c + 16 * pass);
  }
}

template <int ROWS>
static void tile_rows_wide(std::size_t length, const bf16* a, std::size_t stride, const void* panel, float* c, bool from_c, Ahead ahead) {
  Wide<ROWS> wide;
  for (std::size_t first = 0; first < length; first += 2 * kWideSteps) {
    const std::size_t count = length - first < 2 * kWideSteps ? length - first : 2 * kWideSteps;
    for (std::size_t r = 0; r < ROWS; ++r) {
      const bf16* row = a + r * stride + first;
      for (std::size_t i = 0; i < count; i += 32) {
        bf16 tail[32] = {};  // the last element of an odd length is paired with zero
        const bool whole = i + 32 <= count;
        if (!whole) std::memcpy(tail, row + i, (count - i) * sizeof(bf16));
        wide.set(r * kWideSteps + i / 2, load_pairs(whole ? row + i : tail));
      }
    }
    multiply_wide<ROWS, kWideSteps, 1>((count + 1) / 2, wide, static_cast<const char*>(panel) + first / 2 * kPanelBytes, c,
                                       from_c || first > 0, ahead);
  }
}

template <int ROWS>
static void tile_packed_wide(std::size_t steps, const void* a, const void* panel, float* c, bool from_c, Ahead ahead) {
  Wide<kTileRows> wide;
  for (std::size_t first = 0; first < steps; first += kWideSteps) {
    const std::size_t count = steps - first < kWideSteps ? steps - first : kWideSteps;
    const std::uint32_t* words = static_cast<const std::uint32_t*>(a) + first * kTileRows;
    for (std::size_t i = 0; i < count * kTileRows; i += 16) {
      std::uint32_t tail[16] = {};
      const bool whole = i + 16 <= count * kTileRows;
      if (!whole) std::memcpy(tail, words + i, (count * kTileRows - i) * sizeof(std::uint32_t));
      wide.set(i, load_pairs(whole ? words + i : tail));
    }
    multiply_wide<ROWS, 1, kTileRows>(count, wide, static_cast<const char*>(panel) + first * kPanelBytes, c, from_c || first > 0, ahead);
  }
}
#endif

// Row-major A: row r at a + r * stride elements, `length` elements of the chain. FAR: the panel is asked into L2 too.
template <class T, int ROWS, bool FAR>
static void tile_rows(std::size_t length, const T* a, std::size_t stride, const void* panel, float* c, bool from_c,
                      Ahead ahead) {
  const std::size_t pitch = stride * sizeof(T), whole = whole_steps<T>(length);
  // Rows too long to stay in L2 beside the panel come from farther away than the hardware looks ahead.
  const bool fetch_rows = length * sizeof(T) * ROWS > (128 << 10);
  const std::size_t near = FAR ? kNearAhead : kStreamAhead, far = kFarAhead, wake = kWakeAhead;
#pragma GCC unroll 2
  for (int half = 0; half < static_cast<int>(kTilePasses); ++half) {
    v16 acc[ROWS][kTileVectors];
    start<ROWS, kTileVectors>(acc, c + 16 * half, from_c);
    const char* b = static_cast<const char*>(panel) + 64 * half;
    // A base for every three rows: the rows between are one scaled index away.
    const char* p0 = reinterpret_cast<const char*>(a);
    const char *p3 = p0 + 3 * pitch, *p6 = p0 + 6 * pitch, *p9 = p0 + 9 * pitch;
    const auto at = [&](std::size_t offset) __attribute__((always_inline)) {
      return [=](int r) __attribute__((always_inline)) {
        return (r < 3 ? p0 : r < 6 ? p3 : r < 9 ? p6 : p9) + static_cast<std::size_t>(r % 3) * pitch + offset;
      };
    };
    std::size_t i = 0;
    for (; i + 8 <= whole; i += 8) {
      const char *b_near = b + near, *b_far = b + far;
      if (FAR) asm("" : "+r"(b_near), "+r"(b_far));  // one register each, not one for every line
#pragma GCC unroll 8
      for (int u = 0; u < 8; ++u) {
#pragma GCC unroll 2
        for (int v = 0; v < kTileVectors; ++v) {
          __builtin_prefetch(b_near + kPanelBytes * u + 64 * v, 0, 3);
          if (FAR) __builtin_prefetch(b_far + kPanelBytes * u + 64 * v, 0, 2);
        }
        Step<T>::template add<ROWS, kTileVectors>(acc, at(4 * u), b + kPanelBytes * u);
      }
      if (!FAR) {
        __builtin_prefetch(b + wake, 0, 2);
        __builtin_prefetch(b + wake + 64, 0, 2);
      }
      if (fetch_rows) {
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; ++r) __builtin_prefetch(at(1024)(r), 0, 3);
      }
      p0 += 32;
      p3 += 32;
      p6 += 32;
      p9 += 32;
      b += 8 * kPanelBytes;
      fetch(ahead);
    }
    for (; i < whole; ++i) {
      Step<T>::template add<ROWS, kTileVectors>(acc, at(0), b);
      p0 += 4;
      p3 += 4;
      p6 += 4;
      p9 += 4;
      b += kPanelBytes;
    }
    if (whole < steps_of<T>(length)) {
      // The last element of an odd length, paired with a zero in the high half.
      std::uint32_t last[ROWS];
      for (int r = 0; r < ROWS; ++r) {
        std::uint16_t low;
        std::memcpy(&low, reinterpret_cast<const char*>(a + length - 1) + static_cast<std::size_t>(r) * pitch, 2);
        last[r] = low;
      }
      Step<T>::template add<ROWS, kTileVectors>(acc, [&](int r) { return reinterpret_cast<const char*>(last + r); }, b);
    }
    finish<ROWS, kTileVectors>(acc, c + 16 * half);
  }
}

// Packed A: step i holds kTileRows words, of which the first ROWS are used.
template <class T, int ROWS>
static void tile_packed(std::size_t steps, const void* a, const void* panel, float* c, bool from_c, Ahead ahead) {
#pragma GCC unroll 2
  for (int half = 0; half < static_cast<int>(kTilePasses); ++half) {
    v16 acc[ROWS][kTileVectors];
    start<ROWS, kTileVectors>(acc, c + 16 * half, from_c);
    const char* b = static_cast<const char*>(panel) + 64 * half;
    const char* p = static_cast<const char*>(a);
    const auto at = [&](std::size_t offset) __attribute__((always_inline)) {
      return [=](int r) __attribute__((always_inline)) { return p + 4 * r + offset; };
    };
    std::size_t i = 0;
    for (; i + 8 <= steps; i += 8) {
#pragma GCC unroll 8
      for (int u = 0; u < 8; ++u)
        Step<T>::template add<ROWS, kTileVectors>(acc, at(4 * kTileRows * static_cast<std::size_t>(u)), b + kPanelBytes * u);
      for (int line = 0; line < kTileRows / 2; ++line) __builtin_prefetch(p + 4096 + 64 * line, 0, 3);
      p += 4 * kTileRows * 8;
      b += 8 * kPanelBytes;
      fetch(ahead);
    }
    for (; i < steps; ++i) {
      Step<T>::template add<ROWS, kTileVectors>(acc, at(0), b);
      p += 4 * kTileRows;
      b += kPanelBytes;
    }
    finish<ROWS, kTileVectors>(acc, c + 16 * half);
  }
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
