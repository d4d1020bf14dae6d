#include "binding/args.h"

namespace grpo {

void register_linear(Napi::Env, Napi::Object) {}

}  // namespace grpo
