#include "binding/args.h"

namespace grpo {

void register_linear_logprob(Napi::Env, Napi::Object) {}

}  // namespace grpo
