#include "kernels/linear.h"

#include "binding/args.h"
#include "kernels/panels.h"

namespace grpo {
namespace {

DType float_type(const Args& a, const Tensor& t, const char* name) {
  if (t.dtype != DType::f32 && t.dtype != DType::bf16 && t.dtype != DType::f64) a.fail(std::string(name) + " must hold floats");
  return t.dtype;
}

DType accumulator(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

// A matrix (N, K) in panels of `dtype`.
Tensor& panels(const Args& a, std::size_t i, const char* name, std::size_t N, std::size_t K, DType dtype) {
  return a.tensor(i, name, panel_count(N) * panel_elements(dtype, K), dtype);
}

// linearForward(M, N, K, x, w, bias | null, residual | null, y): void
void forward(const Napi::CallbackInfo& info) {
  const Args a(info, "linearForward");
  const std::size_t M = a.size(0, "M"), N = a.size(1, "N"), K = a.size(2, "K");
  const Tensor& x = a.tensor(3, "x", M * K);
  const DType dtype = float_type(a, x, "x");
  const Tensor& w = panels(a, 4, "w", N, K, dtype);
  const Tensor* bias = a.has(5) ? &a.tensor(5, "bias", N, dtype) : nullptr;
  const Tensor* residual = a.has(6) ? &a.tensor(6, "residual", M * N, dtype) : nullptr;
  const Tensor& y = a.tensor(7, "y", M * N);
  if (y.dtype != dtype && !(y.dtype == DType::f32 && dtype == DType::bf16)) a.fail("y must have the type of x, or f32 where x is bf16");
  a.backend().linear.forward(a.pool(), dtype, M, N, K, x.data, w.data, bias ? bias->data : nullptr,
                             residual ? residual->data : nullptr, y.data, y.dtype == DType::f32);
}

// linearInputGradient(M, N, K, dy, w, dx, accumulate): void
void input_gradient(const Napi::CallbackInfo& info) {
  const Args a(info, "linearInputGradient");
  const std::size_t M = a.size(0, "M"), N = a.size(1, "N"), K = a.size(2, "K");
  const Tensor& dy = a.tensor(3, "dy", M * N);
  const DType dtype = float_type(a, dy, "dy");
  const Tensor& w = panels(a, 4, "w", N, K, dtype);
  const Tensor& dx = a.tensor(5, "dx", M * K, dtype);
  a.backend().linear.input_gradient(a.pool(), dtype, M, N, K, dy.data, w.data, dx.data, a.flag(6));
}

// linearWeightGradient(M, N, K, x, dy, dw, accumulate, pendingX | null, pendingDy, pendingRows, close): rows pending after it
Napi::Value weight_gradient(const Napi::CallbackInfo& info) {
  const Args a(info, "linearWeightGradient");
  const std::size_t M = a.size(0, "M"), N = a.size(1, "N"), K = a.size(2, "K");
  // With no rows, any x and dy of the type will do.
  const Tensor& x = M > 0 ? a.tensor(3, "x", M * K) : a.tensor(3, "x");
  const DType dtype = float_type(a, x, "x");
  const Tensor& dy = M > 0 ? a.tensor(4, "dy", M * N, dtype) : a.tensor(4, "dy");
  const Tensor& dw = panels(a, 5, "dw", N, K, accumulator(dtype));
  PendingRows pending = a.has(7) ? pending_rows(a, 7, K, N, dtype) : PendingRows{};
  a.backend().linear.weight_gradient(a.pool(), dtype, M, N, K, x.data, dy.data, dw.data, a.flag(6), a.has(7) ? &pending : nullptr);
  return Napi::Number::New(info.Env(), static_cast<double>(pending.count));
}

// weightGradientBlock(x, K): rows that the gradient of a weight of K columns adds at once, for tensors of this type
Napi::Value weight_gradient_block(const Napi::CallbackInfo& info) {
  const Args a(info, "weightGradientBlock");
  return Napi::Number::New(info.Env(), static_cast<double>(a.backend().linear.gradient_block(
      float_type(a, a.tensor(0, "x"), "x"), a.size(1, "K"))));
}

// linearBiasGradient(M, N, dy, dbias): void
void bias_gradient(const Napi::CallbackInfo& info) {
  const Args a(info, "linearBiasGradient");
  const std::size_t M = a.size(0, "M"), N = a.size(1, "N");
  const Tensor& dy = a.tensor(2, "dy", M * N);
  const DType dtype = float_type(a, dy, "dy");
  a.backend().linear.bias_gradient(a.pool(), dtype, M, N, dy.data, a.tensor(3, "dbias", N, accumulator(dtype)).data);
}

// addInPlace(target, source): void
void add_in_place(const Napi::CallbackInfo& info) {
  const Args a(info, "addInPlace");
  const Tensor& target = a.tensor(0, "target");
  const DType dtype = float_type(a, target, "target");
  const Tensor& source = a.tensor(1, "source", target.numel, dtype);
  a.backend().linear.add(a.pool(), dtype, target.numel, target.data, source.data);
}

struct Source {
  const void* data;
  DType dtype;
};

// `count` elements of float type from a tensor handle or from a typed array; a Uint16Array holds bf16 bits.
Source source(const Args& a, const Napi::CallbackInfo& info, std::size_t i, const char* name, std::size_t count) {
  if (info[i].IsNumber()) {
    const Tensor& t = a.tensor(i, name, count);
    return {t.data, float_type(a, t, name)};
  }
  napi_typedarray_type type;
  std::size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(info.Env(), info[i], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      (type != napi_float32_array && type != napi_float64_array && type != napi_uint16_array))
    a.fail(std::string(name) + " must be a tensor, Float32Array, Float64Array or Uint16Array (bf16)");
  if (length != count) a.fail(std::string(name) + " has " + std::to_string(length) + " elements, expected " + std::to_string(count));
  return {data, type == napi_float32_array ? DType::f32 : type == napi_float64_array ? DType::f64 : DType::bf16};
}

// panelsPack(panels, N, K, start, count, rows): void
void pack(const Napi::CallbackInfo& info) {
  const Args a(info, "panelsPack");
  const std::size_t N = a.size(1, "N"), K = a.size(2, "K"), start = a.size(3, "start"), count = a.size(4, "count");
  if (start + count > N) a.fail("rows " + std::to_string(start) + " to " + std::to_string(start + count) + " do not lie in 0 to " + std::to_string(N));
  const DType dtype = float_type(a, a.tensor(0, "panels"), "panels");
  const Source rows = source(a, info, 5, "rows", count * K);
  panels_pack(a.pool(), rows.dtype, rows.data, dtype, panels(a, 0, "panels", N, K, dtype).data, K, start, count);
}

// panelsUnpack(panels, N, K, start, count, rows): void
void unpack(const Napi::CallbackInfo& info) {
  const Args a(info, "panelsUnpack");
  const std::size_t N = a.size(1, "N"), K = a.size(2, "K"), start = a.size(3, "start"), count = a.size(4, "count");
  if (start + count > N) a.fail("rows " + std::to_string(start) + " to " + std::to_string(start + count) + " do not lie in 0 to " + std::to_string(N));
  const DType dtype = float_type(a, a.tensor(0, "panels"), "panels");
  const Tensor& rows = a.tensor(5, "rows", count * K);
  panels_unpack(a.pool(), dtype, panels(a, 0, "panels", N, K, dtype).data, float_type(a, rows, "rows"), rows.data, K, start, count);
}

// panelsAddRows(panels, N, K, ids, data): row ids[i] += row i of data, i ascending
void add_rows(const Napi::CallbackInfo& info) {
  const Args a(info, "panelsAddRows");
  const std::size_t N = a.size(1, "N"), K = a.size(2, "K");
  const DType dtype = accumulator(float_type(a, a.tensor(0, "panels"), "panels"));
  std::size_t count = 0;
  const std::int32_t* ids = a.array<std::int32_t>(3, "ids", &count);
  for (std::size_t i = 0; i < count; ++i) {
    if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= N)
      a.fail("id " + std::to_string(ids[i]) + " does not lie in 0 to " + std::to_string(N - 1));
  }
  const Tensor& data = a.tensor(4, "data");
  if (data.dtype != dtype || data.numel < count * K) a.fail("data must hold a row of K accumulators for each id");
  panels_add_rows(a.pool(), dtype, panels(a, 0, "panels", N, K, dtype).data, K, ids, count, data.data);
}

// tensorConvert(target, offset, count, source): elements offset .. offset+count of target = source, converted
void convert_into(const Napi::CallbackInfo& info) {
  const Args a(info, "tensorConvert");
  const Tensor& target = a.tensor(0, "target");
  const std::size_t offset = a.size(1, "offset"), count = a.size(2, "count");
  if (offset + count > target.numel) a.fail("target has " + std::to_string(target.numel) + " elements, expected " + std::to_string(offset + count));
  const DType dtype = float_type(a, target, "target");
  const Source from = source(a, info, 3, "source", count);
  convert(a.pool(), from.dtype, from.data, dtype, static_cast<char*>(target.data) + offset * size_of(dtype), count);
}

}  // namespace

void register_linear(Napi::Env env, Napi::Object exports) {
  expose(env, exports, "linearForward", forward);
  expose(env, exports, "linearInputGradient", input_gradient);
  expose(env, exports, "linearWeightGradient", weight_gradient);
  expose(env, exports, "weightGradientBlock", weight_gradient_block);
  expose(env, exports, "linearBiasGradient", bias_gradient);
  expose(env, exports, "addInPlace", add_in_place);
  expose(env, exports, "panelsPack", pack);
  expose(env, exports, "panelsUnpack", unpack);
  expose(env, exports, "panelsAddRows", add_rows);
  expose(env, exports, "tensorConvert", convert_into);
}

}  // namespace grpo
