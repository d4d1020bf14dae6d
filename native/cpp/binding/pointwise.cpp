#include <vector>

#include "binding/args.h"

namespace grpo {
namespace binding {
namespace {

// The type of an activation: what kernels are written for.
DType float_type(const Args& a, const Tensor& t, const char* name) {
  if (t.dtype != DType::f32 && t.dtype != DType::bf16 && t.dtype != DType::f64)
    a.fail(std::string(name) + " is " + name_of(t.dtype) + ", expected f32, bf16 or f64");
  return t.dtype;
}

DType accumulator(DType t) { return t == DType::f64 ? DType::f64 : DType::f32; }

// A typed array of row indices, each in [0, limit).
const std::int32_t* indices(const Args& a, std::size_t i, const char* name, std::size_t limit, std::size_t* count) {
  const std::int32_t* data = a.array<std::int32_t>(i, name, count);
  for (std::size_t k = 0; k < *count; ++k)
    if (data[k] < 0 || static_cast<std::size_t>(data[k]) >= limit)
      a.fail(std::string(name) + "[" + std::to_string(k) + "] is " + std::to_string(data[k]) + ", expected less than " + std::to_string(limit));
  return data;
}

// rmsNorm(eps, x, weight, y, invRms)
void rms_norm(const Napi::CallbackInfo& info) {
  const Args a(info, "rmsNorm");
  const Tensor& weight = a.tensor(2, "weight");
  const DType t = float_type(a, weight, "weight");
  const std::size_t cols = weight.numel, rows = a.tensor(4, "invRms").numel;
  const Tensor& x = a.tensor(1, "x", rows * cols, t);
  a.backend().pointwise.rms_norm(a.pool(), t, rows, cols, a.number(0, "eps"), x.data, weight.data,
                                 a.tensor(3, "y", rows * cols, t).data, a.tensor(4, "invRms", rows, accumulator(t)).data);
}

// rmsNormBackward(x, weight, invRms, dy, dx, accumulate, dweight)
void rms_norm_backward(const Napi::CallbackInfo& info) {
  const Args a(info, "rmsNormBackward");
  const Tensor& weight = a.tensor(1, "weight");
  const DType t = float_type(a, weight, "weight");
  const std::size_t cols = weight.numel, rows = a.tensor(2, "invRms").numel;
  a.backend().pointwise.rms_norm_backward(
      a.pool(), t, rows, cols, a.tensor(0, "x", rows * cols, t).data, weight.data, a.tensor(2, "invRms", rows, accumulator(t)).data,
      a.tensor(3, "dy", rows * cols, t).data, a.tensor(4, "dx", rows * cols, t).data, a.flag(5),
      a.tensor(6, "dweight", cols, accumulator(t)).data);
}

// layerNorm(eps, x, weight, bias | null, y, stats)
void layer_norm(const Napi::CallbackInfo& info) {
  const Args a(info, "layerNorm");
  const Tensor& weight = a.tensor(2, "weight");
  const DType t = float_type(a, weight, "weight");
  const std::size_t cols = weight.numel, rows = a.tensor(5, "stats").numel / 2;
  const Tensor& x = a.tensor(1, "x", rows * cols, t);
  a.backend().pointwise.layer_norm(a.pool(), t, rows, cols, a.number(0, "eps"), x.data, weight.data,
                                   a.has(3) ? a.tensor(3, "bias", cols, t).data : nullptr, a.tensor(4, "y", rows * cols, t).data,
                                   a.tensor(5, "stats", 2 * rows, accumulator(t)).data);
}

// layerNormBackward(x, weight, stats, dy, dx, accumulate, dweight, dbias | null)
void layer_norm_backward(const Napi::CallbackInfo& info) {
  const Args a(info, "layerNormBackward");
  const Tensor& weight = a.tensor(1, "weight");
  const DType t = float_type(a, weight, "weight");
  const std::size_t cols = weight.numel, rows = a.tensor(2, "stats").numel / 2;
  a.backend().pointwise.layer_norm_backward(
      a.pool(), t, rows, cols, a.tensor(0, "x", rows * cols, t).data, weight.data, a.tensor(2, "stats", 2 * rows, accumulator(t)).data,
      a.tensor(3, "dy", rows * cols, t).data, a.tensor(4, "dx", rows * cols, t).data, a.flag(5),
      a.tensor(6, "dweight", cols, accumulator(t)).data, a.has(7) ? a.tensor(7, "dbias", cols, accumulator(t)).data : nullptr);
}

// swiglu(cols, gateUp, y)
void swiglu(const Napi::CallbackInfo& info) {
  const Args a(info, "swiglu");
  const std::size_t cols = a.size(0, "cols");
  const Tensor& y = a.tensor(2, "y");
  const DType t = float_type(a, y, "y");
  const std::size_t rows = cols == 0 ? 0 : y.numel / cols;
  a.backend().pointwise.swiglu(a.pool(), t, rows, cols, a.tensor(1, "gateUp", rows * 2 * cols, t).data, a.tensor(2, "y", rows * cols).data);
}

// swigluBackward(cols, gateUp, dy, dgateUp, accumulate)
void swiglu_backward(const Napi::CallbackInfo& info) {
  const Args a(info, "swigluBackward");
  const std::size_t cols = a.size(0, "cols");
  const Tensor& dy = a.tensor(2, "dy");
  const DType t = float_type(a, dy, "dy");
  const std::size_t rows = cols == 0 ? 0 : dy.numel / cols;
  a.backend().pointwise.swiglu_backward(a.pool(), t, rows, cols, a.tensor(1, "gateUp", rows * 2 * cols, t).data, dy.data,
                                        a.tensor(3, "dgateUp", rows * 2 * cols, t).data, a.flag(4));
}

// gelu(tanh, x, y)
void gelu(const Napi::CallbackInfo& info) {
  const Args a(info, "gelu");
  const Tensor& x = a.tensor(1, "x");
  const DType t = float_type(a, x, "x");
  a.backend().pointwise.gelu(a.pool(), t, x.numel, a.flag(0), x.data, a.tensor(2, "y", x.numel, t).data);
}

// geluBackward(tanh, x, dy, dx, accumulate)
void gelu_backward(const Napi::CallbackInfo& info) {
  const Args a(info, "geluBackward");
  const Tensor& x = a.tensor(1, "x");
  const DType t = float_type(a, x, "x");
  a.backend().pointwise.gelu_backward(a.pool(), t, x.numel, a.flag(0), x.data, a.tensor(2, "dy", x.numel, t).data,
                                      a.tensor(3, "dx", x.numel, t).data, a.flag(4));
}

// embedding(panels, rows, cols, ids, table, y)
void embedding(const Napi::CallbackInfo& info) {
  const Args a(info, "embedding");
  const bool panels = a.flag(0);
  const std::size_t rows = a.size(1, "rows"), cols = a.size(2, "cols");
  std::size_t count = 0;
  const std::int32_t* ids = indices(a, 3, "ids", rows, &count);
  const DType t = float_type(a, a.tensor(4, "table"), "table");
  const std::size_t stored = panels ? (rows + 31) / 32 * 32 * (t == DType::bf16 ? (cols + 1) / 2 * 2 : cols) : rows * cols;
  a.backend().pointwise.embedding(a.pool(), t, panels, cols, ids, count, a.tensor(4, "table", stored).data,
                                  a.tensor(5, "y", count * cols, t).data);
}

// embeddingBackward(cols, slots, dy, sums); rows of dy beyond the slots are not read
void embedding_backward(const Napi::CallbackInfo& info) {
  const Args a(info, "embeddingBackward");
  const std::size_t cols = a.size(0, "cols");
  const Tensor& dy = a.tensor(2, "dy");
  const DType t = float_type(a, dy, "dy");
  const Tensor& sums = a.tensor(3, "sums");
  if (sums.dtype != accumulator(t)) a.fail(std::string("sums is ") + name_of(sums.dtype) + ", expected " + name_of(accumulator(t)));
  std::size_t count = 0;
  const std::int32_t* slots = indices(a, 1, "slots", cols == 0 ? 0 : sums.numel / cols, &count);
  if (dy.numel < count * cols) a.fail("dy has " + std::to_string(dy.numel) + " elements, expected " + std::to_string(count * cols));
  a.backend().pointwise.embedding_backward(a.pool(), t, cols, slots, count, dy.data, sums.data);
}

// gatherRows(cols, rows, x, y)
void gather_rows(const Napi::CallbackInfo& info) {
  const Args a(info, "gatherRows");
  const std::size_t cols = a.size(0, "cols");
  const Tensor& x = a.tensor(2, "x");
  std::size_t count = 0;
  const std::int32_t* rows = indices(a, 1, "rows", cols == 0 ? 0 : x.numel / cols, &count);
  a.backend().pointwise.gather_rows(a.pool(), x.dtype, cols, rows, count, x.data, a.tensor(3, "y", count * cols, x.dtype).data);
}

// gatherSlabs(cols, slabRows, rows, slabs (handles), y)
void gather_slabs(const Napi::CallbackInfo& info) {
  const Args a(info, "gatherSlabs");
  const std::size_t cols = a.size(0, "cols"), slab_rows = a.size(1, "slabRows");
  std::size_t count = 0, handles = 0;
  const std::uint32_t* handle = a.array<std::uint32_t>(3, "slabs", &handles);
  const std::int32_t* rows = indices(a, 2, "rows", handles * slab_rows, &count);
  const Tensor& y = a.tensor(4, "y", count * cols);
  std::vector<const void*> slabs;
  for (std::size_t i = 0; i < handles; ++i) {
    const Tensor* slab = a.engine().tensors.find(handle[i]);
    if (!slab || slab->numel != slab_rows * cols || slab->dtype != y.dtype) a.fail("slab " + std::to_string(i) + " does not fit y");
    slabs.push_back(slab->data);
  }
  a.backend().pointwise.gather_slabs(a.pool(), y.dtype, cols, slab_rows, rows, count, slabs.data(), y.data);
}

// gatherRowsBackward(cols, rows, dy, dx, accumulate)
void gather_rows_backward(const Napi::CallbackInfo& info) {
  const Args a(info, "gatherRowsBackward");
  const std::size_t cols = a.size(0, "cols");
  const Tensor& dx = a.tensor(3, "dx");
  const DType t = float_type(a, dx, "dx");
  const std::size_t x_rows = cols == 0 ? 0 : dx.numel / cols;
  std::size_t count = 0;
  const std::int32_t* rows = indices(a, 1, "rows", x_rows, &count);
  a.backend().pointwise.gather_rows_backward(a.pool(), t, cols, rows, count, a.tensor(2, "dy", count * cols, t).data, x_rows,
                                             dx.data, a.flag(4));
}

}  // namespace
}  // namespace binding

void register_pointwise(Napi::Env env, Napi::Object exports) {
  expose(env, exports, "rmsNorm", binding::rms_norm);
  expose(env, exports, "rmsNormBackward", binding::rms_norm_backward);
  expose(env, exports, "layerNorm", binding::layer_norm);
  expose(env, exports, "layerNormBackward", binding::layer_norm_backward);
  expose(env, exports, "swiglu", binding::swiglu);
  expose(env, exports, "swigluBackward", binding::swiglu_backward);
  expose(env, exports, "gelu", binding::gelu);
  expose(env, exports, "geluBackward", binding::gelu_backward);
  expose(env, exports, "embedding", binding::embedding);
  expose(env, exports, "embeddingBackward", binding::embedding_backward);
  expose(env, exports, "gatherRows", binding::gather_rows);
  expose(env, exports, "gatherSlabs", binding::gather_slabs);
  expose(env, exports, "gatherRowsBackward", binding::gather_rows_backward);
}

}  // namespace grpo
