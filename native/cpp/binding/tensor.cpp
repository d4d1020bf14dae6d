#include "binding/args.h"

namespace grpo {
namespace {

// tensorCreate(dtype, numel, zero): handle
Napi::Value create(const Napi::CallbackInfo& info) {
  const Args a(info, "tensorCreate");
  const std::size_t dtype = a.size(0, "dtype");
  if (dtype > static_cast<std::size_t>(DType::u8)) a.fail("dtype is unknown");
  try {
    return Napi::Number::New(info.Env(), a.engine().tensors.create(static_cast<DType>(dtype), a.size(1, "numel"), a.flag(2)));
  } catch (const std::bad_alloc&) {
    Napi::Error error = Napi::Error::New(info.Env(), "out of memory: could not allocate a tensor of " + std::to_string(a.size(1, "numel")) +
                                                         " " + name_of(static_cast<DType>(dtype)) + " elements");
    error.Value().Set("code", "GRPO_OUT_OF_MEMORY");
    throw error;
  }
}

// tensorDispose(handle): whether it was alive
Napi::Value dispose(const Napi::CallbackInfo& info) {
  const Args a(info, "tensorDispose");
  return Napi::Boolean::New(info.Env(), a.engine().tensors.dispose(static_cast<std::uint32_t>(a.size(0, "handle"))));
}

struct View {
  void* data;
  std::size_t bytes;
};

View view(const Args& a, const Napi::CallbackInfo& info, std::size_t i) {
  napi_typedarray_type type;
  std::size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(info.Env(), info[i], &type, &length, &data, nullptr, nullptr) != napi_ok) a.fail("array must be a typed array");
  const std::size_t width = type == napi_float64_array || type == napi_bigint64_array || type == napi_biguint64_array ? 8
                            : type == napi_float32_array || type == napi_int32_array || type == napi_uint32_array     ? 4
                            : type == napi_int16_array || type == napi_uint16_array                                   ? 2
                                                                                                                      : 1;
  return {data, length * width};
}

// tensorWrite(handle, offset, array): raw bytes of a typed array into elements offset...
void write(const Napi::CallbackInfo& info) {
  const Args a(info, "tensorWrite");
  Tensor& t = a.tensor(0, "tensor");
  const std::size_t offset = a.size(1, "offset") * size_of(t.dtype);
  const View v = view(a, info, 2);
  if (offset + v.bytes > t.bytes()) a.fail("array of " + std::to_string(v.bytes) + " bytes does not fit");
  std::memcpy(static_cast<char*>(t.data) + offset, v.data, v.bytes);
}

// tensorRead(handle, offset, array): raw bytes of elements offset... into a typed array
void read(const Napi::CallbackInfo& info) {
  const Args a(info, "tensorRead");
  Tensor& t = a.tensor(0, "tensor");
  const std::size_t offset = a.size(1, "offset") * size_of(t.dtype);
  const View v = view(a, info, 2);
  if (offset + v.bytes > t.bytes()) a.fail("array of " + std::to_string(v.bytes) + " bytes is longer than the tensor");
  std::memcpy(v.data, static_cast<const char*>(t.data) + offset, v.bytes);
}

// tensorZero(handle)
void zero(const Napi::CallbackInfo& info) {
  const Args a(info, "tensorZero");
  Tensor& t = a.tensor(0, "tensor");
  std::memset(t.data, 0, t.bytes());
}

// memoryStats(): {liveTensors, liveBytes, peakBytes, cachedBytes, scratchBytes}; scratch is what threads keep for kernels, beside the tensors
Napi::Value memory_stats(const Napi::CallbackInfo& info) {
  const Args a(info, "memoryStats");
  const MemoryStats& s = a.engine().tensors.stats();
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("liveTensors", static_cast<double>(s.live_tensors));
  out.Set("liveBytes", static_cast<double>(s.live_bytes));
  out.Set("peakBytes", static_cast<double>(s.peak_bytes));
  out.Set("cachedBytes", static_cast<double>(s.cached_bytes));
  out.Set("scratchBytes", static_cast<double>(a.pool().scratch_bytes()));
  return out;
}

// resetPeak(): peakBytes restarts from liveBytes
void reset_peak(const Napi::CallbackInfo& info) { Args(info, "resetPeak").engine().tensors.reset_peak(); }

// trimMemory(): gives cached blocks back to the system
void trim(const Napi::CallbackInfo& info) { Args(info, "trimMemory").engine().tensors.trim(); }

}  // namespace

void register_tensor(Napi::Env env, Napi::Object exports) {
  expose(env, exports, "tensorCreate", create);
  expose(env, exports, "tensorDispose", dispose);
  expose(env, exports, "tensorWrite", write);
  expose(env, exports, "tensorRead", read);
  expose(env, exports, "tensorZero", zero);
  expose(env, exports, "memoryStats", memory_stats);
  expose(env, exports, "resetPeak", reset_peak);
  expose(env, exports, "trimMemory", trim);
}

}  // namespace grpo
