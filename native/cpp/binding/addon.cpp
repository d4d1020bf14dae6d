#include "binding/args.h"

#include <cstdlib>
#include <thread>

namespace grpo {

Engine& engine_of(Napi::Env env) {
  Engine* engine = env.GetInstanceData<Engine>();
  return *engine;
}

namespace {

// setThreads(n): the number of threads kernels may use. Results do not depend on it.
void set_threads(const Napi::CallbackInfo& info) {
  const Args a(info, "setThreads");
  const std::size_t n = a.size(0, "threads");
  if (n < 1 || n > 1024) a.fail("threads must be between 1 and 1024");
  a.engine().pool = std::make_unique<ThreadPool>(static_cast<int>(n));
}

// engineInfo(): {isa, threads}
Napi::Value engine_info(const Napi::CallbackInfo& info) {
  const Args a(info, "engineInfo");
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("isa", isa_name(a.engine().isa));
  out.Set("threads", a.pool().size());
  return out;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  const char* error = nullptr;
  const Isa isa = detect_isa(&error);
  if (error) throw Napi::Error::New(env, error);
  const unsigned cores = std::thread::hardware_concurrency();
  auto* engine = new Engine{isa, cpu_backend(isa), {}, std::make_unique<ThreadPool>(cores == 0 ? 1 : static_cast<int>(cores))};
  env.SetInstanceData<Engine>(engine);
  expose(env, exports, "setThreads", set_threads);
  expose(env, exports, "engineInfo", engine_info);
  register_tensor(env, exports);
  register_ceiling(env, exports);
  register_linear(env, exports);
  register_linear_logprob(env, exports);
  register_blend(env, exports);
  register_fill_normal(env, exports);
  register_mapped_file(env, exports);
  register_optimizer(env, exports);
  register_pointwise(env, exports);
  register_segment_ratio(env, exports);
  register_tree_attention(env, exports);
  return exports;
}

}  // namespace
}  // namespace grpo

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return grpo::init(env, exports); }
NODE_API_MODULE(grpo_native, init_addon)
