#pragma once
#include "core/cpu.h"
#include "core/dtype.h"
#include "core/threads.h"

namespace grpo {

// Causal attention of packed rows over keys that lie in blocks of 64, shared between the paths of a tree:
//   o[r,h] = sum_j p_j v[j] / sum_j p_j,  p_j = exp(scale q[r,h] . k[j] - max),  j = 0..last_key(r) of the path of row r
// Keys are walked in blocks that start at positions 0, 64, 128, ... of the path, whatever the borders of its segments, and
// (max, sum, o) are carried from block to block, row by row: the result of a row depends on its path alone. Masked keys
// have p = 0 exactly. Within a block q . k is one chain over the head dimension, o one chain over the keys, sum one fixed
// lane tree. bf16 rounds p to bf16 for p v (and p, ds in backward); everything else is float32.
// Source: Dao 2023, "FlashAttention-2", algorithms 1 and 2, with rows per path in place of one causal triangle.
constexpr std::size_t kBlockKeys = 64;

// Elements of the K (or V) pool of one block and KV head: 64 keys by the head dimension padded to 16.
//   K  [2][padded][32]   f32, f64: one value per (half, dimension, key); bf16: [2][padded/2][32] words (2d low, 2d+1 high)
//   V  [64][padded]      f32, f64; bf16: [32][padded] words of the keys (2j low, 2j+1 high)
constexpr std::size_t padded_dim(std::size_t head_dim) { return (head_dim + 15) / 16 * 16; }
constexpr std::size_t block_elements(std::size_t head_dim) { return kBlockKeys * padded_dim(head_dim); }

struct AttentionShape {
  std::size_t heads, kv_heads, head_dim;
  double scale;
  std::size_t group() const { return heads / kv_heads; }
  std::size_t width() const { return (heads + 2 * kv_heads) * head_dim; }
};

// Where the keys of every row lie (src/engine/attention-plan.ts). All indices were checked.
struct AttentionPlan {
  std::size_t rows;
  const std::int32_t *position, *table, *table_start, *blocks, *write_block;
  std::size_t copies;
  const std::int32_t* copy;        // (copies, 3): source, target, keys
  std::size_t queries;
  const std::int32_t* query_rows;  // ascending; nullptr: every row
  const std::int32_t* last_keys;   // (rows) last position a row sees; nullptr: its own (causal)
  std::int32_t last_key(std::size_t row) const { return last_keys ? last_keys[row] : position[row]; }
  std::size_t row_of(std::size_t query) const { return query_rows ? static_cast<std::size_t>(query_rows[query]) : query; }
};

// Tensors of one backward call. Accumulators are float32 (float64 for f64).
struct AttentionGradients {
  const void* dout;    // (queries, heads head_dim)
  void* dq;            // (rows, dq_width): the queries' gradients are the first heads head_dim columns
  std::size_t dq_width;
  bool accumulate;     // dq += instead of =
  void *dk, *dv;       // accumulators, pool-sized: [block][kv head][64][padded]
  bool continued;      // dk and dv continue from what earlier rows left, instead of from zero
  void *k_rows, *v_columns;  // pool-sized, model dtype: K as V lies and V as K lies
  void* delta;         // accumulators, (queries, heads): sum_d dout o
};

struct RotaryShape {
  std::size_t rows, heads, kv_heads, head_dim;
  double epsilon;
  const std::int32_t* position;  // (rows): row of the table
};

struct AttentionKernels {
  // Writes K and V of every row into its block, copies, then attends for the queries.
  //   qkv (rows, width), out (queries, heads head_dim), stats (queries, heads, 2) accumulators or nullptr: max (in base 2), 1 / sum
  void (*forward)(ThreadPool&, DType, const AttentionShape&, const AttentionPlan&, const void* qkv, void* k, void* v, void* out,
                  void* stats);
  // dq per query over its keys in order; dk and dv per block over its queries in ascending order
  // (heads of a row in order). Calls for one run of rows after the other leave the bits of one call for all. `blocks`: size of the pools.
  void (*backward_queries)(ThreadPool&, DType, const AttentionShape&, const AttentionPlan&, std::size_t blocks, const void* qkv,
                           const void* k, const void* v, const void* out, const void* stats, const AttentionGradients&);
  // Adds dk and dv of copied keys to those of their source, last copy first, then rounds those of every row into the k and v columns
  // of dqkv (rows, width). The q columns of queried rows hold their gradients already, or take them from dq (rows, heads head_dim) where it
  // is not nullptr; those of other rows become 0 unless `accumulate`.
  void (*backward_keys)(ThreadPool&, DType, const AttentionShape&, const AttentionPlan&, const void* dq, void* dk, void* dv, void* dqkv,
                        bool accumulate);
  // First `keys` slots of block `source` into block `target`, in order.
  void (*copy_blocks)(DType, const AttentionShape&, std::size_t copies, const std::int32_t* copy, void* k, void* v);

  // Rotate-half position embedding of q and k, after an optional RMS norm per head; v is copied. y may be x without norms.
  //   y_i = x_i cos_i - x_{i+D/2} sin_i,  y_{i+D/2} = x_{i+D/2} cos_i + x_i sin_i;  table (positions, D): cos, then sin
  // Source: Su et al. 2021, "RoFormer"; the norms are those of Qwen3 (arXiv 2505.09388).
  void (*rotary)(ThreadPool&, DType, const RotaryShape&, const void* table, const void* q_norm, const void* k_norm, const void* x,
                 void* y);
  // dx = (accumulate: dx +) the transpose applied to dy; dx may be dy without norms. Gradients of the norms' weights continue
  // from their stored values, rows in order, heads of a row in order.
  void (*rotary_backward)(ThreadPool&, DType, const RotaryShape&, const void* table, const void* q_norm, const void* k_norm,
                          const void* x, const void* dy, void* dx, bool accumulate, void* dq_norm, void* dk_norm);
};

AttentionKernels attention_kernels(Isa isa);

}  // namespace grpo
