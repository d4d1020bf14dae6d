#include <vector>

#include "binding/args.h"

namespace grpo {
namespace binding {
namespace {

// squareSum(tensor): the sum of squares of an f32 or f64 tensor
Napi::Value square_sum(const Napi::CallbackInfo& info) {
  const Args a(info, "squareSum");
  const Tensor& t = a.tensor(0, "tensor");
  if (t.dtype != DType::f32 && t.dtype != DType::f64) a.fail(std::string("tensor is ") + name_of(t.dtype) + ", expected f32 or f64");
  std::vector<double> sums((t.numel + kSquareChunk - 1) / kSquareChunk);
  a.backend().optimizer.square_sums(a.pool(), t.dtype, t.numel, t.data, sums.data());
  double total = 0;
  for (const double s : sums) total += s;
  return Napi::Number::New(info.Env(), total);
}

// adamw(step (8), panels, pairs, weight, low | null, grad, m, v, scales | null); `step` holds the fields of AdamWStep in order
void adamw(const Napi::CallbackInfo& info) {
  const Args a(info, "adamw");
  const double* s = a.array<double>(0, "step", 8);
  const AdamWStep step{s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
  const std::size_t panels = a.size(1, "panels");
  const bool pairs = a.flag(2);
  const Tensor& weight = a.tensor(3, "weight");
  const Tensor& grad = a.tensor(5, "grad");
  const DType wide = weight.dtype == DType::f64 ? DType::f64 : DType::f32;
  if (grad.dtype != wide) a.fail(std::string("grad is ") + name_of(grad.dtype) + ", expected " + name_of(wide));
  if (panels == 0 || grad.numel % panels != 0) a.fail("grad does not consist of " + std::to_string(panels) + " panels");
  const std::size_t length = grad.numel / panels;
  const bool is_bf16 = weight.dtype == DType::bf16;
  if (pairs && (!is_bf16 || length % 32 != 0)) a.fail("only bf16 panels hold pairs");
  a.tensor(3, "weight", pairs ? panels * ((length + 63) / 64 * 64) : grad.numel);
  std::uint16_t* low = is_bf16 ? static_cast<std::uint16_t*>(a.tensor(4, "low", 2 * weight.numel, DType::u8).data) : nullptr;
  float* scales = a.has(8) ? static_cast<float*>(a.tensor(8, "scales", 2 * panels * adamw_blocks(length), DType::f32).data) : nullptr;
  const DType stored = scales != nullptr ? DType::u8 : wide;
  a.backend().optimizer.adamw(a.pool(), step,
                              {weight.dtype, pairs, panels, length, weight.data, low, grad.data,
                               a.tensor(6, "m", grad.numel, stored).data, a.tensor(7, "v", grad.numel, stored).data, scales});
}

}  // namespace
}  // namespace binding

void register_optimizer(Napi::Env env, Napi::Object exports) {
  expose(env, exports, "squareSum", binding::square_sum);
  expose(env, exports, "adamw", binding::adamw);
}

}  // namespace grpo
