#pragma once
// The fast form of the inner loops of kernels/vocab_tiles.h for float and bf16. Include from instruction-set files only, once each.
#include "core/threads.h"
#include "kernels/gemm_multiply_simd.h"
#include "kernels/gemm_pack_simd.h"
#include "kernels/vocab_tiles.h"
#if defined(__AMX_BF16__)
#include "kernels/linear_gradient_amx.h"
#include "kernels/weight_product_amx.h"
#endif

namespace grpo {
namespace GRPO_ISA_NS {

GRPO_INLINE std::size_t vectors(std::size_t n) { return (n + 15) / 16; }
GRPO_INLINE std::size_t smaller(std::size_t a, std::size_t b) { return a < b ? a : b; }
// First of piece i when `total` are cut evenly into `pieces`.
GRPO_INLINE std::size_t cut_rows(std::size_t total, std::size_t pieces, std::size_t i) { return total * i / pieces; }

GRPO_INLINE void store_logits(std::size_t rows, const float* c, float* out, std::size_t ldo) {
  for (std::size_t r = 0; r < rows; ++r) {
    store16(out + r * ldo, load16(c + 32 * r));
    store16(out + r * ldo + 16, load16(c + 32 * r + 16));
  }
}

// Logits of one tile of rows, which fetches for itself.
template <class T>
__attribute__((noinline)) static void few_logits(std::size_t rows, std::size_t cols, const T* h, const T* w, std::size_t panels, float* out,
                                                 std::size_t ldo) {
  constexpr std::size_t kMost = kVocabTile / 32;
  const std::size_t together = smaller(kMost, kStoreTogether), panel_bytes = steps_of<T>(cols) * kPanelBytes;
  alignas(64) float sums[kMostRows<T> * 32 * kMost];
  Registers registers;
  for (std::size_t p = 0; p < panels; p += together)
    multiply_run(registers, rows, cols, h, reinterpret_cast<const char*>(w) + p * panel_bytes, smaller(together, panels - p), sums,
                 [&](std::size_t i, const float* c) { store_logits(rows, c, out + 32 * (p + i), ldo); });
}

template <class T>
static void logits(std::size_t rows, std::size_t cols, const T* h, const T* w, std::size_t panels, float* out, std::size_t ldo) {
  const std::size_t tiles = tiles_of<T>(rows), panel_bytes = steps_of<T>(cols) * kPanelBytes;
  if (tiles == 1) return few_logits(rows, cols, h, w, panels, out, ldo);
  const Meeting meeting = meeting_of<T>(tiles, panel_bytes);
  alignas(64) float sums[kMostPanels * (kRowBlock + kTileRows) * 32];
  Registers registers;
  for (std::size_t p = 0; p < panels; p += meeting.panels) {
    const char* panel = reinterpret_cast<const char*>(w) + p * panel_bytes;
    const std::size_t together = smaller(meeting.panels, panels - p);
    // The tiles of rows spread the fetching of the next panels among them.
    multiply_panels(registers, meeting, rows, cols, h, 0, tiles, panel, together, panel + together * panel_bytes, sums,
                    [&](std::size_t i, std::size_t first, std::size_t count, const float* c) {
                      store_logits(count, c, out + first * ldo + 32 * (p + i), ldo);
                    });
  }
}

static void scale(float* l, std::size_t n, float temperature) {
  if (temperature != 1) {
    const v16 by = set16(temperature);
    for (std::size_t j = 0; j < n; j += 16) store16(l + j, div16(load16(l + j), by));
  }
  for (std::size_t j = n; j < vectors(n) * 16; ++j) l[j] = kMasked<float>;
}

static TileStats<float> stats(const float* l, std::size_t n) {
  v16 top = set16(kMasked<float>);
  for (std::size_t j = 0; j < n; j += 16) top = max16(top, load16(l + j));
  const float max = reduce_max16(top);
  const v16 shift = set16(max);
  v16 sum = zero16(), weighted = zero16();
  for (std::size_t j = 0; j < n; j += 16) {
    const v16 d = sub16(load16(l + j), shift), e = exp_nonpositive16(d);
    sum = add16(sum, e);
    weighted = fma16(e, d, weighted);
  }
  return {max, reduce_add16(sum), reduce_add16(weighted)};
}

static float weights(const float* l, std::size_t n, float max, float threshold, float floor, float* out) {
  const v16 shift = set16(max), least = set16(threshold), lightest = set16(floor);
  v16 sum = zero16();
  for (std::size_t j = 0; j < n; j += 16) {
    const v16 x = load16(l + j), w = exp_nonpositive16(sub16(x, shift));
    const v16 kept = select_lt16(x, least, zero16(), select_lt16(w, lightest, zero16(), w));
    store16(out + j, kept);
    sum = add16(sum, kept);
  }
  return reduce_add16(sum);
}

static void buckets(const float* l, std::size_t n, float max, float per_unit, float last, std::uint32_t* out) {
  // Adding 2^23 rounds to a whole number and leaves it in the low bits.
  const v16 shift = set16(max), scale = set16(per_unit), most = set16(last), magic = set16(8388608.0f);
  for (std::size_t j = 0; j < n; j += 16) {
    float t[16];
    store16(t, add16(min16(mul16(sub16(shift, load16(l + j)), scale), most), magic));
    std::memcpy(out + j, t, sizeof(t));
  }
  for (std::size_t j = 0; j < vectors(n) * 16; ++j) out[j] &= 0x7fffffu;
}

GRPO_INLINE void store_vector(float* p, v16 a) { store16(p, a); }
GRPO_INLINE void store_vector(bf16* p, v16 a) { store_bf16(p, a); }
GRPO_INLINE v16 load_vector(const float* p) { return load16(p); }
GRPO_INLINE v16 load_vector(const bf16* p) { return load_bf16(p); }

// The pass over logits is cut at multiples of kGradTile rows, whole tiles and an even number, into items of at most kGradTiles of them.
template <class T> constexpr std::size_t kGradTile = kMostRows<T> > kTileRows ? kMostRows<T> : 12;
template <class T> constexpr std::size_t kGradTiles = kMostRows<T> > kTileRows ? 2 : 4;
// Stride of a row of dl in elements, off the powers of two; panels and strips of one item of the weight gradient; rows of one item of
// the input gradient.
constexpr std::size_t kStride = kVocabTile + 32, kGradPanels = 4, kGradStrips = 20, kChainRows = 192;

// Whether the weight gradient takes rows in blocks (linear_gradient_amx.h), rather than one by one, and whether the input gradient
// multiplies float32 in parts (blocks_amx.h).
template <class T> GRPO_INLINE bool adds_blocks([[maybe_unused]] std::size_t cols) {
#if defined(__AMX_BF16__)
  return sizeof(T) == 2 || cols >= kSplitWidth;
#else
  return false;
#endif
}
template <class T> GRPO_INLINE bool splits(std::size_t cols) { return sizeof(T) == 4 && adds_blocks<T>(cols); }

// Scratch of a chunk: dl row by row; dl in panels, as steps of chains over rows; h in strips of kTileRows columns, likewise; chains
// of dh as [cols/32][chain_rows][32]. Where rows are added in blocks: no steps of dl; h in blocks; of dh whole tiles.
template <class T>
struct ChunkLayout {
  std::size_t steps, strips, panels, chain_rows, rows_bytes, dl_bytes, h_bytes, chain_bytes;

  ChunkLayout(std::size_t rows, std::size_t cols)
      : steps(steps_of<T>(rows)),
        strips((cols + kTileRows - 1) / kTileRows),
        panels((cols + 31) / 32),
        chain_rows(splits<T>(cols) ? (rows + 31) / 32 * 32 : rows),
        rows_bytes((rows * kStride * sizeof(T) + 63) / 64 * 64),
        dl_bytes(kVocabTile / 32 * steps * kPanelBytes),
        h_bytes((strips * steps * kTileRows * 4 + 63) / 64 * 64),
        chain_bytes(panels * chain_rows * 32 * sizeof(float)) {
#if defined(__AMX_BF16__)
    if (adds_blocks<T>(cols)) {
      dl_bytes = 0;
      h_bytes = panels * ((rows + kGradientBlock - 1) / kGradientBlock + 1) * kBlockBytes<T>;  // one more with pending rows
    }
#endif
  }
  std::size_t bytes() const { return rows_bytes + dl_bytes + h_bytes + chain_bytes; }
};

template <class T>
static std::size_t backward_scratch(std::size_t rows, std::size_t cols) {
  return ChunkLayout<T>(rows, cols).bytes();
}

#if defined(__AMX_BF16__)
// The rows of a chunk after those that are pending, in blocks.
template <class T>
struct ChunkRows {
  std::size_t before, rows, blocks;
  GradientRows<T> h;

  explicit ChunkRows(const BackwardChunk<T>& c)
      : before(c.pending ? c.pending->count : 0), rows(before + c.rows), blocks(gradient_blocks(c.pending, rows)) {
    const std::size_t cols = c.head->cols;
    h = {c.pending ? static_cast<const T*>(c.pending->x) : nullptr, cols, before, static_cast<const T*>(c.head->h) + c.begin * cols, cols, rows, cols};
  }
};

// dw += dl^T h for tile t.
template <class T>
static void add_blocks(ThreadPool& pool, const BackwardChunk<T>& c, const ChunkRows<T>& chunk, std::size_t t, const T* dl, const char* packed_h) {
  const Head& head = *c.head;
  const std::size_t cols = head.cols, columns = head.columns(t);
  T* const kept_dl = c.pending ? static_cast<T*>(c.pending->dy) + t * kVocabTile : nullptr;
  float* const dw = c.dw + t * kVocabTile * cols;
  if (chunk.blocks > 0)
    add_strips<T>(pool, chunk.h, {kept_dl, head.vocab, chunk.before, dl, kStride, chunk.rows, columns}, 0, chunk.blocks, packed_h, dw, c.continue_dw);
  else if (!c.continue_dw)
    std::memset(dw, 0, (columns + 31) / 32 * 32 * cols * sizeof(float));
  if (c.pending) keep_rows(chunk.before, c.rows, chunk.blocks, columns, dl, kStride, kept_dl, head.vocab);
}

// dh += dl W for tile t, dh as tiles [cols/32][rows/32] of 32 k by 32 rows.
static void add_splits(ThreadPool& pool, const BackwardChunk<float>& c, std::size_t t, const float* dl, float* chain) {
  const Head& head = *c.head;
  const std::size_t cols = head.cols, columns = head.columns(t), tiles = (c.rows + 31) / 32;
  const float* const w = static_cast<const float*>(head.w) + t * kVocabTile * cols;
  const ItemCut cut(c.rows, cols, static_cast<std::size_t>(pool.size()));
  for (int i = 0; i < pool.size(); ++i) pool.scratch(i, cut.work_words() * 4);
  maybe_parallel(pool, 2 * c.rows * cols * columns, cut.items(), [&](std::size_t i, int thread) {
    const ItemCut::Item item = cut.item(i);
    std::uint32_t* const work = static_cast<std::uint32_t*>(pool.scratch(thread, 0));
    multiply_item<Product::input_gradient>(item, c.rows, columns, cols, dl, kStride, w, work,
                                           chain + (item.panel * tiles + item.tile) * 32 * 32, tiles, true);
  });
}
#endif

// Rows [r0, r1) of dl of tile t, for its columns from j0 to before j1, whole panels, from their logits l (rows, kStride).
template <class T>
static void logit_gradients(const BackwardChunk<T>& c, std::size_t t, std::size_t r0, std::size_t r1, std::size_t j0, std::size_t j1,
                            float* l, T* dl) {
  const Head& head = *c.head;
  const std::size_t first = t * kVocabTile + j0, columns = smaller(head.columns(t), j1) - j0;
  for (std::size_t r = r0; r < r1; ++r) {
    const std::size_t row = c.begin + r;
    float* const x = l + (r - r0) * kStride;
    scale(x, columns, head.temperatures ? head.temperatures[row] : static_cast<float>(head.temperature));
    const v16 max = set16(c.stats[2 * row]), log_sum = set16(c.stats[2 * row + 1]), entropy = set16(c.entropy[row]);
    const v16 dsum = set16(c.dsum[row]), dentropy = set16(c.dentropy ? c.dentropy[row] : 0.0f);
    for (std::size_t j = 0; j < columns; j += 16) {
      const v16 logp = sub16(sub16(load16(x + j), max), log_sum);
      store16(x + j, mul16(sub16(zero16(), exp16(logp)), fma16(dentropy, add16(logp, entropy), dsum)));
    }
  }
  if (c.dlogp) {
    for (std::uint32_t i = c.start[t]; i < c.start[t + 1]; ++i) {
      const std::uint32_t p = c.index[i];
      const std::size_t r = static_cast<std::size_t>(c.pairs->rows[p]) - c.begin, j = static_cast<std::size_t>(c.pairs->ids[p]) - first;
      if (r >= r0 && r < r1 && j < columns) l[(r - r0) * kStride + j] += c.dlogp[p];
    }
  }
  for (std::size_t r = r0; r < r1; ++r) {
    float* const x = l + (r - r0) * kStride;
    const std::size_t row = c.begin + r;
    const v16 by = set16(head.temperatures ? head.temperatures[row] : static_cast<float>(head.temperature));
    for (std::size_t j = columns; j < j1 - j0; ++j) x[j] = 0;
    for (std::size_t j = 0; j < j1 - j0; j += 16) store_vector(dl + r * kStride + j0 + j, div16(load16(x + j), by));
  }
}

#if defined(__AMX_BF16__)
// dl of tile t from logits by parts, whose last bits are not those of the forward pass; as these, they depend on the row alone.
static void split_gradients(ThreadPool& pool, const BackwardChunk<float>& c, std::size_t t, float* dl) {
  const Head& head = *c.head;
  const std::size_t cols = head.cols, columns = head.columns(t);
  const ItemCut cut(c.rows, columns, static_cast<std::size_t>(pool.size()));
  for (int i = 0; i < pool.size(); ++i) pool.scratch(i, (cut.work_words() + 32 * kStride + cut.most_results() * 32 * 32) * 4);
  maybe_parallel(pool, c.rows * cols * columns, cut.items(), [&](std::size_t i, int thread) {
    const ItemCut::Item item = cut.item(i);
    std::uint32_t* const work = static_cast<std::uint32_t*>(pool.scratch(thread, 0));
    float* const l = reinterpret_cast<float*>(work + cut.work_words());
    float* const results = l + 32 * kStride;
    multiply_item<Product::forward>(item, c.rows, cols, cols, static_cast<const float*>(head.h) + c.begin * cols, cols,
                                    static_cast<const float*>(head.w) + t * kVocabTile * cols, work, results, item.tiles, false);
    for (std::size_t tile = 0; tile < item.tiles; ++tile) {
      const std::size_t r0 = 32 * (item.tile + tile), r1 = smaller(r0 + 32, c.rows);
      for (std::size_t p = 0; p < item.panels; ++p) store_logits(r1 - r0, results + (p * item.tiles + tile) * 32 * 32, l + 32 * p, kStride);
      logit_gradients(c, t, r0, r1, 32 * item.panel, 32 * (item.panel + item.panels), l, dl);
    }
  });
}
#endif

template <class T>
static void backward(ThreadPool& pool, const BackwardChunk<T>& c) {
  const Head& head = *c.head;
  const std::size_t cols = head.cols, rows = c.rows, tiles = head.tiles(), row_tiles = tiles_of<T>(rows);
  const ChunkLayout<T> layout(rows, cols);
  T* const dl = static_cast<T*>(c.scratch);
  char* const packed = static_cast<char*>(c.scratch) + layout.rows_bytes;
  char* const strips = packed + layout.dl_bytes;
  float* const chain = reinterpret_cast<float*>(strips + layout.h_bytes);
  std::memset(chain, 0, layout.chain_bytes);
  const T* h = static_cast<const T*>(head.h) + c.begin * cols;
  // As many items for every thread.
  const std::size_t threads = static_cast<std::size_t>(pool.size()), grad_tiles = (rows + kGradTile<T> - 1) / kGradTile<T>;
  const std::size_t grad_items = ((grad_tiles + kGradTiles<T> - 1) / kGradTiles<T> + threads - 1) / threads * threads;
  const std::size_t chain_blocks = (row_tiles + kChainRows / kMostRows<T> - 1) / (kChainRows / kMostRows<T>);
  const std::size_t logits_bytes = kGradTiles<T> * kGradTile<T> * kStride * sizeof(float), transposed_bytes = kVocabTile * 32 * sizeof(float);
  for (int t = 0; t < pool.size(); ++t) pool.scratch(t, logits_bytes > transposed_bytes ? logits_bytes : transposed_bytes);
  const bool in_blocks = adds_blocks<T>(cols);
#if defined(__AMX_BF16__)
  const ChunkRows<T> chunk(c);
  if (in_blocks) {
    // For the blocks of a panel of dl.
    for (int t = 0; t < pool.size(); ++t) pool.scratch(t, chunk.blocks * kBlockBytes<T>);
    if (c.dw) pack_strips(pool, chunk.h, 0, chunk.blocks, strips);
  }
#endif

  if (c.dw && !in_blocks) {
    maybe_parallel(pool, rows * cols * 16, layout.strips, [&](std::size_t s, int) {
      pack_rows<kTileRows>(h, cols, 0, rows, s * kTileRows, smaller(cols - s * kTileRows, kTileRows),
                           strips + s * layout.steps * kTileRows * 4);
    });
  }
  for (std::size_t t = 0; t < tiles; ++t) {
    const std::size_t columns = head.columns(t), panels = (columns + 31) / 32, work = rows * cols * columns;
    const T* w = static_cast<const T*>(head.w) + t * kVocabTile * (sizeof(T) == 2 ? (cols + 1) / 2 * 2 : cols);
    maybe_parallel(pool, work, splits<T>(cols) ? 0 : grad_items, [&](std::size_t item, int thread) {
      const auto cut = [&](std::size_t i) { return smaller(kGradTile<T> * cut_rows(grad_tiles, grad_items, i), rows); };
      const std::size_t r0 = cut(item), r1 = cut(item + 1);
      if (r0 == r1) return;
      float* const l = static_cast<float*>(pool.scratch(thread, 0));
      logits(r1 - r0, cols, h + r0 * cols, w, panels, l, kStride);
      logit_gradients(c, t, r0, r1, 0, 32 * panels, l, dl);
      for (std::size_t p = 0; p < panels && c.dw && !in_blocks; ++p)
        pack_rows<32>(dl, kStride, r0, r1, 32 * p, 32, packed + (p * layout.steps + steps_of<T>(r0)) * kPanelBytes);
    });
    const std::size_t chain_items = splits<T>(cols) ? 0 : layout.panels * chain_blocks;
    const std::size_t strip_groups = (layout.strips + kGradStrips - 1) / kGradStrips, panel_groups = (panels + kGradPanels - 1) / kGradPanels;
    const std::size_t weight_items = c.dw && !in_blocks ? strip_groups * panel_groups : 0;
    maybe_parallel(pool, 2 * work, chain_items + weight_items, [&](std::size_t item, int thread) {
      if (item < chain_items) {
        // dh += dl W for 32 columns of h: the chain over n goes on from tile to tile.
        const std::size_t k = item / chain_blocks, block = item % chain_blocks;
        float* const transposed = static_cast<float*>(pool.scratch(thread, 0));
        transpose_panels(w, cols, k, k + 1, 0, panels * 32, transposed, 0);
        const std::size_t t0 = cut_rows(row_tiles, chain_blocks, block), t1 = cut_rows(row_tiles, chain_blocks, block + 1);
        Registers registers;
        for (std::size_t i = t0; i < t1; ++i) {
          const std::size_t r0 = tile_start<T>(rows, row_tiles, i), count = tile_start<T>(rows, row_tiles, i + 1) - r0;
          multiply_rows<T>(registers, count, columns, dl + r0 * kStride, kStride, transposed, chain + (k * rows + r0) * 32, true, Ahead{});
        }
      } else {
        // dw += dl^T h for some panels and strips: the chain over rows goes on from chunk to chunk.
        const std::size_t i = item - chain_items, p0 = i / strip_groups * kGradPanels, p1 = smaller(p0 + kGradPanels, panels);
        const std::size_t s0 = i % strip_groups * kGradStrips, s1 = smaller(s0 + kGradStrips, layout.strips);
        for (std::size_t s = s0; s < s1; ++s) {
          const std::size_t k = s * kTileRows, count = smaller(cols - k, kTileRows);
          for (std::size_t p = p0; p < p1; ++p) {
            float* const to = c.dw + ((t * (kVocabTile / 32) + p) * cols + k) * 32;
            multiply_packed<T>(count, layout.steps, strips + s * layout.steps * kTileRows * 4, packed + p * layout.steps * kPanelBytes, to,
                               c.continue_dw, Ahead{reinterpret_cast<const char*>(to + kTileRows * 32), 1});
          }
        }
      }
    });
#if defined(__AMX_BF16__)
    if constexpr (sizeof(T) == 4) {
      if (splits<T>(cols)) {
        split_gradients(pool, c, t, dl);
        add_splits(pool, c, t, dl, chain);
      }
    }
    if (c.dw && in_blocks) add_blocks<T>(pool, c, chunk, t, dl, strips);
#endif
  }
#if defined(__AMX_BF16__)
  if (c.dw && in_blocks && c.pending) {
    keep_rows(chunk.before, rows, chunk.blocks, cols, h, cols, static_cast<T*>(c.pending->x), cols);
    c.pending->count = c.pending->close ? 0 : chunk.rows - chunk.blocks * kGradientBlock;
  }
  if (splits<T>(cols))
    maybe_parallel(pool, rows * cols * 4, layout.panels * layout.chain_rows / 32, [&](std::size_t i, int) {
      turn_tile(chain + i * 32 * 32, chain + i * 32 * 32);
    });
#endif
  maybe_parallel(pool, rows * cols, rows, [&](std::size_t r, int) {
    for (std::size_t k = 0; k < cols; k += 16) {
      T* const to = c.dh + r * cols + k;
      const std::size_t n = smaller(cols - k, 16);
      v16 value = load16(chain + (k / 32 * layout.chain_rows + r) * 32 + k % 32);
      T some[16] = {};
      std::memcpy(some, to, c.accumulate ? n * sizeof(T) : 0);
      if (c.accumulate) value = add16(load_vector(some), value);
      store_vector(some, value);
      std::memcpy(to, some, n * sizeof(T));
    }
  });
}

template <class T>
static TileOps<T> fast_tile_ops() {
  return {logits<T>, scale, stats, weights, buckets, backward<T>, backward_scratch<T>};
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
