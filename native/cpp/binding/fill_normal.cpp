#include "kernels/fill_normal.h"

#include "binding/args.h"

namespace grpo {
namespace {

// fillNormal(tensor f32, standardDeviation, key0, key1)
void fill(const Napi::CallbackInfo& info) {
  const Args a(info, "fillNormal");
  Tensor& t = a.tensor(0, "tensor");
  if (t.dtype != DType::f32) a.fail("tensor must be f32");
  const std::uint32_t key[2] = {static_cast<std::uint32_t>(a.size(2, "key0")), static_cast<std::uint32_t>(a.size(3, "key1"))};
  fill_normal(a.pool(), t.numel, static_cast<float>(a.number(1, "standardDeviation")), key, static_cast<float*>(t.data));
}

}  // namespace

void register_fill_normal(Napi::Env env, Napi::Object exports) { expose(env, exports, "fillNormal", fill); }

}  // namespace grpo
