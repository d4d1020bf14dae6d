#include "kernels/blend.h"

#include <vector>

#include "binding/args.h"
#include "kernels/split.h"

namespace grpo {
namespace {

// blend(target, source, weight, low | null)
void blend_tensors(const Napi::CallbackInfo& info) {
  const Args a(info, "blend");
  Tensor& target = a.tensor(0, "target");
  const Tensor& source = a.tensor(1, "source", target.numel, target.dtype);
  if (target.dtype == DType::i32 || target.dtype == DType::u8) a.fail("target must hold floating-point numbers");
  std::uint16_t* low = a.has(3) ? static_cast<std::uint16_t*>(a.tensor(3, "low", 2 * target.numel, DType::u8).data) : nullptr;
  blend(a.pool(), target.dtype, target.numel, a.number(2, "weight"), source.data, target.data, low);
}

// squareDistance(a, b): the sum of squared differences of two tensors of one type
Napi::Value square_distance(const Napi::CallbackInfo& info) {
  const Args args(info, "squareDistance");
  const Tensor& a = args.tensor(0, "a");
  const Tensor& b = args.tensor(1, "b", a.numel, a.dtype);
  if (a.dtype == DType::i32 || a.dtype == DType::u8) args.fail("a must hold floating-point numbers");
  std::vector<double> sums((a.numel + kDistanceChunk - 1) / kDistanceChunk);
  square_distances(args.pool(), a.dtype, a.numel, a.data, b.data, sums.data());
  double total = 0;
  for (const double s : sums) total += s;
  return Napi::Number::New(info.Env(), total);
}

// tensorCopy(target, targetOffset, source, sourceOffset, count): elements of one tensor into another
void copy(const Napi::CallbackInfo& info) {
  const Args a(info, "tensorCopy");
  Tensor& target = a.tensor(0, "target");
  const Tensor& source = a.tensor(2, "source");
  const std::size_t to = a.size(1, "targetOffset"), from = a.size(3, "sourceOffset"), count = a.size(4, "count");
  if (source.dtype != target.dtype) a.fail("source and target differ in type");
  if (to + count > target.numel || from + count > source.numel) a.fail("the range lies outside of a tensor");
  const std::size_t size = size_of(target.dtype);
  char* const y = static_cast<char*>(target.data) + to * size;
  const char* const x = static_cast<const char*>(source.data) + from * size;
  if (target.data == source.data) std::memmove(y, x, count * size);
  else
    for_ranges(a.pool(), count, 1, [&](std::size_t begin, std::size_t end) { std::memcpy(y + begin * size, x + begin * size, (end - begin) * size); });
}

}  // namespace

void register_blend(Napi::Env env, Napi::Object exports) {
  expose(env, exports, "blend", blend_tensors);
  expose(env, exports, "squareDistance", square_distance);
  expose(env, exports, "tensorCopy", copy);
}

}  // namespace grpo
