#pragma once
#include <napi.h>

#include <memory>
#include <string>

#include "core/tensor.h"
#include "core/threads.h"
#include "kernels/backend.h"

namespace grpo {

// Everything native that one loaded addon owns. Hangs on the addon's instance data; nothing is a global.
struct Engine {
  Isa isa;
  Backend backend;
  TensorTable tensors;
  std::unique_ptr<ThreadPool> pool;
};

Engine& engine_of(Napi::Env env);

// Reads and checks the arguments of one call. A kernel never sees an unchecked length.
// Throws RangeError with code GRPO_SHAPE and a message that names function, argument and both sizes.
class Args {
 public:
  Args(const Napi::CallbackInfo& info, const char* function)
      : info_(info), function_(function), engine_(engine_of(info.Env())) {}

  Engine& engine() const { return engine_; }
  ThreadPool& pool() const { return *engine_.pool; }
  const Backend& backend() const { return engine_.backend; }
  Napi::Env env() const { return info_.Env(); }

  // A non-negative whole number.
  std::size_t size(std::size_t i, const char* name) const {
    double value = -1;
    if (napi_get_value_double(env(), info_[i], &value) != napi_ok || value < 0 || value != static_cast<double>(static_cast<std::size_t>(value)))
      fail(std::string(name) + " must be a non-negative whole number");
    return static_cast<std::size_t>(value);
  }

  double number(std::size_t i, const char* name) const {
    double value = 0;
    if (napi_get_value_double(env(), info_[i], &value) != napi_ok) fail(std::string(name) + " must be a number");
    return value;
  }

  bool flag(std::size_t i) const { return info_[i].ToBoolean().Value(); }

  // True when argument i was given and is neither null, undefined nor handle 0-by-absence.
  bool has(std::size_t i) const { return i < info_.Length() && !info_[i].IsNull() && !info_[i].IsUndefined(); }

  // A tensor by handle; `numel` elements of `dtype` exactly.
  Tensor& tensor(std::size_t i, const char* name) const {
    double handle = -1;
    if (napi_get_value_double(env(), info_[i], &handle) != napi_ok) fail(std::string(name) + " must be a tensor handle");
    Tensor* t = engine_.tensors.find(static_cast<std::uint32_t>(handle));
    if (!t) fail(std::string(name) + " is a tensor that was disposed");
    return *t;
  }
  Tensor& tensor(std::size_t i, const char* name, std::size_t numel) const {
    Tensor& t = tensor(i, name);
    if (t.numel != numel) fail(std::string(name) + " has " + std::to_string(t.numel) + " elements, expected " + std::to_string(numel));
    return t;
  }
  Tensor& tensor(std::size_t i, const char* name, std::size_t numel, DType dtype) const {
    Tensor& t = tensor(i, name, numel);
    if (t.dtype != dtype) fail(std::string(name) + " is " + name_of(t.dtype) + ", expected " + name_of(dtype));
    return t;
  }
  // nullptr when the argument is null or undefined.
  Tensor* optional_tensor(std::size_t i, const char* name, std::size_t numel) const {
    return has(i) ? &tensor(i, name, numel) : nullptr;
  }

  // A JavaScript typed array of T (int32_t, float, double, uint8_t, uint32_t); the data stays valid during the call.
  template <class T>
  T* array(std::size_t i, const char* name, std::size_t* length) const {
    napi_typedarray_type type;
    void* data = nullptr;
    if (napi_get_typedarray_info(env(), info_[i], &type, length, &data, nullptr, nullptr) != napi_ok || type != js_type(T{}))
      fail(std::string(name) + " must be a typed array of the right kind");
    return static_cast<T*>(data);
  }
  template <class T>
  T* array(std::size_t i, const char* name, std::size_t expected) const {
    std::size_t length = 0;
    T* data = array<T>(i, name, &length);
    if (length != expected) fail(std::string(name) + " has " + std::to_string(length) + " elements, expected " + std::to_string(expected));
    return data;
  }

  [[noreturn]] void fail(const std::string& what) const {
    Napi::RangeError error = Napi::RangeError::New(env(), std::string(function_) + ": " + what);
    error.Value().Set("code", "GRPO_SHAPE");
    throw error;
  }

 private:
  static napi_typedarray_type js_type(std::int32_t) { return napi_int32_array; }
  static napi_typedarray_type js_type(std::uint32_t) { return napi_uint32_array; }
  static napi_typedarray_type js_type(float) { return napi_float32_array; }
  static napi_typedarray_type js_type(double) { return napi_float64_array; }
  static napi_typedarray_type js_type(std::uint8_t) { return napi_uint8_array; }

  const Napi::CallbackInfo& info_;
  const char* function_;
  Engine& engine_;
};

// Arguments `at`... = pending x (block, K), pending dy (block, N), pending rows, close: see PendingRows.
inline PendingRows pending_rows(const Args& a, std::size_t at, std::size_t K, std::size_t N, DType dtype) {
  const std::size_t block = a.backend().linear.gradient_block(dtype, K);
  const PendingRows pending{a.tensor(at, "pending x", block * K, dtype).data, a.tensor(at + 1, "pending dy", block * N, dtype).data,
                            a.size(at + 2, "pending rows"), a.flag(at + 3)};
  if (pending.count >= block) a.fail("as many rows are pending as make a block");
  return pending;
}

// Registers `function` under `name`: void functions and functions that return a Napi::Value alike.
template <class F>
void expose(Napi::Env env, Napi::Object exports, const char* name, F function) {
  exports.Set(name, Napi::Function::New(env, function, name));
}

void register_tensor(Napi::Env env, Napi::Object exports);
void register_ceiling(Napi::Env env, Napi::Object exports);
void register_linear(Napi::Env env, Napi::Object exports);
void register_linear_logprob(Napi::Env env, Napi::Object exports);
void register_blend(Napi::Env env, Napi::Object exports);
void register_fill_normal(Napi::Env env, Napi::Object exports);
void register_mapped_file(Napi::Env env, Napi::Object exports);
void register_optimizer(Napi::Env env, Napi::Object exports);
void register_pointwise(Napi::Env env, Napi::Object exports);
void register_segment_ratio(Napi::Env env, Napi::Object exports);
void register_tree_attention(Napi::Env env, Napi::Object exports);

}  // namespace grpo
