#include "binding/args.h"

namespace grpo {

void register_segment_ratio(Napi::Env, Napi::Object) {}

}  // namespace grpo
