#include "kernels/blend.h"

#include "binding/args.h"

namespace grpo {
namespace {

// blend(target, source, weight)
void blend_tensors(const Napi::CallbackInfo& info) {
  const Args a(info, "blend");
  Tensor& target = a.tensor(0, "target");
  const Tensor& source = a.tensor(1, "source", target.numel, target.dtype);
  if (target.dtype == DType::i32 || target.dtype == DType::u8) a.fail("target must hold floating-point numbers");
  blend(a.pool(), target.dtype, target.numel, a.number(2, "weight"), source.data, target.data);
}

// tensorCopy(target, source)
void copy(const Napi::CallbackInfo& info) {
  const Args a(info, "tensorCopy");
  Tensor& target = a.tensor(0, "target");
  const Tensor& source = a.tensor(1, "source", target.numel, target.dtype);
  std::memcpy(target.data, source.data, target.bytes());
}

}  // namespace

void register_blend(Napi::Env env, Napi::Object exports) {
  expose(env, exports, "blend", blend_tensors);
  expose(env, exports, "tensorCopy", copy);
}

}  // namespace grpo
