#include "binding/args.h"

namespace grpo {

void register_tree_attention(Napi::Env, Napi::Object) {}

}  // namespace grpo
