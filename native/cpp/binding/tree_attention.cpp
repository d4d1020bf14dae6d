#include "binding/args.h"

namespace grpo {
namespace {

// heads, kvHeads, headDim at arguments i, i + 1, i + 2
AttentionShape shape_of(const Args& a, std::size_t i, double scale) {
  const AttentionShape s{a.size(i, "heads"), a.size(i + 1, "kvHeads"), a.size(i + 2, "headDim"), scale};
  if (s.kv_heads == 0 || s.heads == 0 || s.heads % s.kv_heads != 0) a.fail("heads must be a multiple of kvHeads");
  if (!(scale > 0)) a.fail("scale must be positive");
  if (s.head_dim == 0 || s.head_dim % 2 != 0 || s.head_dim > 256) a.fail("headDim must be even and at most 256");
  return s;
}

void check_copies(const Args& a, const std::int32_t* copies, std::size_t length, std::size_t blocks) {
  if (length % 3 != 0) a.fail("copies must hold triples");
  for (std::size_t i = 0; i < length; i += 3) {
    const auto inside = [&](std::int32_t id) { return id >= 0 && static_cast<std::size_t>(id) < blocks; };
    if (!inside(copies[i]) || !inside(copies[i + 1]) || copies[i] == copies[i + 1]) a.fail("copies names a block that does not exist");
    if (copies[i + 2] < 0 || copies[i + 2] > static_cast<std::int32_t>(kBlockKeys)) a.fail("copies holds more keys than a block");
  }
}

// position, table, tableStart, blocks, writeBlock, copies, queryRows (or null), lastKeys (or null) at arguments i...
AttentionPlan plan_of(const Args& a, std::size_t i, std::size_t rows, std::size_t blocks) {
  AttentionPlan p{};
  p.rows = p.queries = rows;
  p.position = a.array<std::int32_t>(i, "position", rows);
  p.table = a.array<std::int32_t>(i + 1, "table", rows);
  std::size_t starts = 0, listed = 0, copies = 0;
  p.table_start = a.array<std::int32_t>(i + 2, "tableStart", &starts);
  p.blocks = a.array<std::int32_t>(i + 3, "blocks", &listed);
  p.write_block = a.array<std::int32_t>(i + 4, "writeBlock", rows);
  p.copy = a.array<std::int32_t>(i + 5, "copies", &copies);
  p.copies = copies / 3;
  check_copies(a, p.copy, copies, blocks);
  for (std::size_t t = 0; t < starts; ++t)
    if (p.table_start[t] < (t > 0 ? p.table_start[t - 1] : 0) || static_cast<std::size_t>(p.table_start[t]) > listed)
      a.fail("tableStart is not a list of ascending offsets into blocks");
  for (std::size_t b = 0; b < listed; ++b)
    if (p.blocks[b] < 0 || static_cast<std::size_t>(p.blocks[b]) >= blocks) a.fail("blocks names a block that does not exist");
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int32_t t = p.table[r];
    if (t < 0) continue;
    if (static_cast<std::size_t>(t) + 1 >= starts) a.fail("table names a table that does not exist");
    const std::int32_t length = p.table_start[t + 1] - p.table_start[t];
    if (p.position[r] < 0 || p.position[r] / static_cast<std::int32_t>(kBlockKeys) >= length)
      a.fail("row " + std::to_string(r) + " lies outside its table");
    if (p.write_block[r] < 0 || static_cast<std::size_t>(p.write_block[r]) >= blocks)
      a.fail("writeBlock names a block that does not exist");
  }
  if (a.has(i + 7)) {
    p.last_keys = a.array<std::int32_t>(i + 7, "lastKeys", rows);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::int32_t t = p.table[r];
      if (t >= 0 && (p.last_keys[r] < 0 || p.last_keys[r] / static_cast<std::int32_t>(kBlockKeys) >= p.table_start[t + 1] - p.table_start[t]))
        a.fail("row " + std::to_string(r) + " sees keys outside its table");
    }
  }
  if (a.has(i + 6)) {
    static const std::int32_t none = 0;
    p.query_rows = a.array<std::int32_t>(i + 6, "queryRows", &p.queries);
    if (p.queries == 0) p.query_rows = &none;  // an empty array may come without memory, and null means every row
    for (std::size_t q = 0; q < p.queries; ++q)
      if (p.query_rows[q] < (q > 0 ? p.query_rows[q - 1] + 1 : 0) || static_cast<std::size_t>(p.query_rows[q]) >= rows)
        a.fail("queryRows must ascend and name rows of the plan");
  }
  return p;
}

// Number of blocks of a pool; fails when it does not hold whole blocks.
std::size_t blocks_of(const Args& a, const Tensor& pool, const AttentionShape& s) {
  const std::size_t one = s.kv_heads * block_elements(s.head_dim);
  if (pool.numel % one != 0) a.fail("k does not hold whole blocks");
  return pool.numel / one;
}

DType accumulator(DType t) { return t == DType::f64 ? DType::f64 : DType::f32; }

bool is_float(DType t) { return t == DType::f32 || t == DType::bf16 || t == DType::f64; }

// treeAttention(heads, kvHeads, headDim, scale, rows, qkv, k, v, out, stats | null,
//               position, table, tableStart, blocks, writeBlock, copies, queryRows | null, lastKeys | null)
void tree_attention(const Napi::CallbackInfo& info) {
  const Args a(info, "treeAttention");
  const AttentionShape s = shape_of(a, 0, a.number(3, "scale"));
  const std::size_t rows = a.size(4, "rows");
  const Tensor& qkv = a.tensor(5, "qkv", rows * s.width());
  if (!is_float(qkv.dtype)) a.fail("qkv must be a tensor of floats");
  const Tensor& k = a.tensor(6, "k");
  const std::size_t blocks = blocks_of(a, k, s);
  if (k.dtype != qkv.dtype) a.fail("k and qkv differ in type");
  const Tensor& v = a.tensor(7, "v", k.numel, qkv.dtype);
  const AttentionPlan plan = plan_of(a, 10, rows, blocks);
  const Tensor& out = a.tensor(8, "out", plan.queries * s.heads * s.head_dim, qkv.dtype);
  void* stats = a.has(9) ? a.tensor(9, "stats", plan.queries * s.heads * 2, accumulator(qkv.dtype)).data : nullptr;
  a.backend().attention.forward(a.pool(), qkv.dtype, s, plan, qkv.data, k.data, v.data, out.data, stats);
}

// treeAttentionBackwardQueries(heads, kvHeads, headDim, scale, rows, qkv, k, v, out, stats, dout, dq, accumulate, dk, dv, continued,
//                              kRows, vColumns, delta, position, table, tableStart, blocks, writeBlock, copies, queryRows | null, lastKeys | null)
void backward_queries(const Napi::CallbackInfo& info) {
  const Args a(info, "treeAttentionBackwardQueries");
  const AttentionShape s = shape_of(a, 0, a.number(3, "scale"));
  const std::size_t rows = a.size(4, "rows");
  const Tensor& qkv = a.tensor(5, "qkv", rows * s.width());
  if (!is_float(qkv.dtype)) a.fail("qkv must be a tensor of floats");
  const DType dtype = qkv.dtype, sums = accumulator(dtype);
  const Tensor& k = a.tensor(6, "k");
  const std::size_t blocks = blocks_of(a, k, s);
  if (k.dtype != dtype) a.fail("k and qkv differ in type");
  const Tensor& v = a.tensor(7, "v", k.numel, dtype);
  const AttentionPlan plan = plan_of(a, 19, rows, blocks);
  const std::size_t numel = plan.queries * s.heads * s.head_dim;
  const Tensor& out = a.tensor(8, "out", numel, dtype);
  const Tensor& stats = a.tensor(9, "stats", plan.queries * s.heads * 2, sums);
  // Beside q alone, dq may be a whole row of q, k and v.
  const std::size_t dq_width = a.tensor(11, "dq").numel == qkv.numel ? s.width() : s.heads * s.head_dim;
  const AttentionGradients g{a.tensor(10, "dout", numel, dtype).data,
                             a.tensor(11, "dq", rows * dq_width, dtype).data,
                             dq_width,
                             a.flag(12),
                             a.tensor(13, "dk", k.numel, sums).data,
                             a.tensor(14, "dv", k.numel, sums).data,
                             a.flag(15),
                             a.tensor(16, "kRows", k.numel, dtype).data,
                             a.tensor(17, "vColumns", k.numel, dtype).data,
                             a.tensor(18, "delta", plan.queries * s.heads, sums).data};
  a.backend().attention.backward_queries(a.pool(), dtype, s, plan, blocks, qkv.data, k.data, v.data, out.data, stats.data, g);
}

// treeAttentionBackwardKeys(heads, kvHeads, headDim, rows, dq | null, dk, dv, dqkv, accumulate,
//                           position, table, tableStart, blocks, writeBlock, copies, queryRows | null, lastKeys | null)
void backward_keys(const Napi::CallbackInfo& info) {
  const Args a(info, "treeAttentionBackwardKeys");
  const AttentionShape s = shape_of(a, 0, 1);
  const std::size_t rows = a.size(3, "rows");
  const Tensor& dqkv = a.tensor(7, "dqkv", rows * s.width());
  if (!is_float(dqkv.dtype)) a.fail("dqkv must be a tensor of floats");
  const DType sums = accumulator(dqkv.dtype);
  const Tensor& dk = a.tensor(5, "dk");
  const AttentionPlan plan = plan_of(a, 9, rows, blocks_of(a, dk, s));
  if (dk.dtype != sums) a.fail("dk has the wrong type");
  const Tensor& dv = a.tensor(6, "dv", dk.numel, sums);
  const void* dq = a.has(4) ? a.tensor(4, "dq", rows * s.heads * s.head_dim, dqkv.dtype).data : nullptr;
  a.backend().attention.backward_keys(a.pool(), dqkv.dtype, s, plan, dq, dk.data, dv.data, dqkv.data, a.flag(8));
}

// copyBlocks(kvHeads, headDim, k, v, copies)
void copy_blocks(const Napi::CallbackInfo& info) {
  const Args a(info, "copyBlocks");
  const std::size_t kv_heads = a.size(0, "kvHeads"), head_dim = a.size(1, "headDim");
  if (kv_heads == 0 || head_dim == 0) a.fail("kvHeads and headDim must not be 0");
  const AttentionShape s{kv_heads, kv_heads, head_dim, 1};
  const Tensor& k = a.tensor(2, "k");
  if (!is_float(k.dtype)) a.fail("k must be a tensor of floats");
  const Tensor& v = a.tensor(3, "v", k.numel, k.dtype);
  std::size_t length = 0;
  const std::int32_t* copies = a.array<std::int32_t>(4, "copies", &length);
  check_copies(a, copies, length, blocks_of(a, k, s));
  a.backend().attention.copy_blocks(k.dtype, s, length / 3, copies, k.data, v.data);
}

RotaryShape rotary_shape(const Args& a, const AttentionShape& s, std::size_t rows, std::size_t positions, const Tensor& table) {
  const RotaryShape r{rows, s.heads, s.kv_heads, s.head_dim, a.number(3, "epsilon"), a.array<std::int32_t>(positions, "positions", rows)};
  const std::size_t length = table.numel / s.head_dim;
  for (std::size_t i = 0; i < rows; ++i)
    if (r.position[i] < 0 || static_cast<std::size_t>(r.position[i]) >= length)
      a.fail("row " + std::to_string(i) + " has position " + std::to_string(r.position[i]) + ", the table holds " + std::to_string(length));
  return r;
}

// rotary(heads, kvHeads, headDim, epsilon, rows, positions, table, qNorm | null, kNorm | null, x, y)
void rotary_forward(const Napi::CallbackInfo& info) {
  const Args a(info, "rotary");
  const AttentionShape s = shape_of(a, 0, 1);
  const std::size_t rows = a.size(4, "rows");
  const Tensor& x = a.tensor(9, "x", rows * s.width());
  if (!is_float(x.dtype)) a.fail("x must be a tensor of floats");
  const Tensor& table = a.tensor(6, "table");
  if (table.dtype != accumulator(x.dtype)) a.fail("table has the wrong type");
  const auto norm = [&](std::size_t i, const char* name) { return a.has(i) ? a.tensor(i, name, s.head_dim, x.dtype).data : nullptr; };
  a.backend().attention.rotary(a.pool(), x.dtype, rotary_shape(a, s, rows, 5, table), table.data, norm(7, "qNorm"), norm(8, "kNorm"),
                               x.data, a.tensor(10, "y", x.numel, x.dtype).data);
}

// rotaryBackward(heads, kvHeads, headDim, epsilon, rows, positions, table, qNorm | null, kNorm | null, x | null, dy, dx, accumulate,
//                dqNorm | null, dkNorm | null)
void rotary_backward(const Napi::CallbackInfo& info) {
  const Args a(info, "rotaryBackward");
  const AttentionShape s = shape_of(a, 0, 1);
  const std::size_t rows = a.size(4, "rows");
  const Tensor& dy = a.tensor(10, "dy", rows * s.width());
  if (!is_float(dy.dtype)) a.fail("dy must be a tensor of floats");
  const DType dtype = dy.dtype;
  const Tensor& table = a.tensor(6, "table");
  if (table.dtype != accumulator(dtype)) a.fail("table has the wrong type");
  const auto optional = [&](std::size_t i, const char* name, std::size_t numel, DType type) {
    return a.has(i) ? a.tensor(i, name, numel, type).data : nullptr;
  };
  const void *q_norm = optional(7, "qNorm", s.head_dim, dtype), *k_norm = optional(8, "kNorm", s.head_dim, dtype),
             *x = optional(9, "x", dy.numel, dtype);
  if ((q_norm || k_norm) && !x) a.fail("x is needed where a norm is given");
  a.backend().attention.rotary_backward(a.pool(), dtype, rotary_shape(a, s, rows, 5, table), table.data, q_norm, k_norm, x, dy.data,
                                        a.tensor(11, "dx", dy.numel, dtype).data, a.flag(12),
                                        q_norm ? optional(13, "dqNorm", s.head_dim, accumulator(dtype)) : nullptr,
                                        k_norm ? optional(14, "dkNorm", s.head_dim, accumulator(dtype)) : nullptr);
}

}  // namespace

void register_tree_attention(Napi::Env env, Napi::Object exports) {
  expose(env, exports, "treeAttention", tree_attention);
  expose(env, exports, "treeAttentionBackwardQueries", backward_queries);
  expose(env, exports, "treeAttentionBackwardKeys", backward_keys);
  expose(env, exports, "copyBlocks", copy_blocks);
  expose(env, exports, "rotary", rotary_forward);
  expose(env, exports, "rotaryBackward", rotary_backward);
}

}  // namespace grpo
