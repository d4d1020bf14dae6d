#pragma once
#include "core/dtype.h"

namespace grpo {

// Calls f(T{}) with the storage type that `dtype` names; the binding admits no other than f32, bf16 and f64.
template <class F>
void with_type(DType dtype, F f) {
  if (dtype == DType::bf16) f(bf16{});
  else if (dtype == DType::f64) f(double{});
  else f(float{});
}

}  // namespace grpo
