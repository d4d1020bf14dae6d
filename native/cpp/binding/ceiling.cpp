#include "kernels/ceiling.h"

#include "binding/args.h"

namespace grpo {
namespace {

// ceilingMultiplyAdd(rounds, bf16): floating-point operations done from registers alone
Napi::Value multiply_add(const Napi::CallbackInfo& info) {
  const Args a(info, "ceilingMultiplyAdd");
  return Napi::Number::New(info.Env(), ceiling_kernels(a.engine().isa).multiply_add(a.pool(), a.size(0, "rounds"), a.flag(1)));
}

// ceilingRead(tensor): reads all of it
void read(const Napi::CallbackInfo& info) {
  const Args a(info, "ceilingRead");
  const Tensor& t = a.tensor(0, "tensor");
  ceiling_kernels(a.engine().isa).read(a.pool(), t.data, t.bytes());
}

// ceilingCopy(from, to): copies all of it
void copy(const Napi::CallbackInfo& info) {
  const Args a(info, "ceilingCopy");
  const Tensor& from = a.tensor(0, "from");
  const Tensor& to = a.tensor(1, "to", from.numel, from.dtype);
  ceiling_copy(a.pool(), from.data, to.data, from.bytes());
}

}  // namespace

void register_ceiling(Napi::Env env, Napi::Object exports) {
  expose(env, exports, "ceilingMultiplyAdd", multiply_add);
  expose(env, exports, "ceilingRead", read);
  expose(env, exports, "ceilingCopy", copy);
}

}  // namespace grpo
