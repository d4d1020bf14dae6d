#include "binding/args.h"

namespace grpo {

void register_optimizer(Napi::Env, Napi::Object) {}

}  // namespace grpo
