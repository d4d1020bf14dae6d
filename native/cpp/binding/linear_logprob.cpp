#include "binding/args.h"
#include "core/philox.h"

namespace grpo {
namespace {

// A native block that lives for one call and is counted in memoryStats.
class Scratch {
 public:
  Scratch(const Args& a, std::size_t bytes) : tensors_(a.engine().tensors), handle_(make(a, bytes)) {}
  ~Scratch() { tensors_.dispose(handle_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* data() const { return tensors_.find(handle_)->data; }

 private:
  static std::uint32_t make(const Args& a, std::size_t bytes) {
    try {
      return a.engine().tensors.create(DType::u8, bytes, false);
    } catch (const std::bad_alloc&) {
      Napi::Error error = Napi::Error::New(a.env(), "out of memory: could not allocate " + std::to_string(bytes) + " bytes of scratch");
      error.Value().Set("code", "GRPO_OUT_OF_MEMORY");
      throw error;
    }
  }
  TensorTable& tensors_;
  std::uint32_t handle_;
};

// Arguments `at`... = rows, cols, vocab, limit, h, w, temperature (number or Float32Array of rows).
Head head_of(const Args& a, const Napi::CallbackInfo& info, bool zero_temperature, DType* dtype) {
  Head head{};
  head.rows = a.size(0, "rows");
  head.cols = a.size(1, "cols");
  head.vocab = a.size(2, "vocab");
  head.limit = a.size(3, "vocabSize");
  if (head.limit < 1 || head.limit > head.vocab) a.fail("vocabSize is " + std::to_string(head.limit) + ", expected 1 to " + std::to_string(head.vocab));
  const Tensor& h = a.tensor(4, "h", head.rows * head.cols);
  const std::size_t pairs = h.dtype == DType::bf16 ? (head.cols + 1) / 2 * 2 : head.cols;
  const Tensor& w = a.tensor(5, "w", (head.vocab + 31) / 32 * 32 * pairs, h.dtype);
  if (h.dtype != DType::f32 && h.dtype != DType::bf16 && h.dtype != DType::f64) a.fail(std::string("h is ") + name_of(h.dtype) + ", expected f32, bf16 or f64");
  *dtype = h.dtype;
  head.h = h.data;
  head.w = w.data;
  const auto check = [&](double t) {
    if (!(t > 0 || (zero_temperature && t == 0))) a.fail("temperature must be positive");
  };
  if (info[6].IsNumber()) {
    head.temperature = a.number(6, "temperature");
    check(head.temperature);
  } else {
    head.temperatures = a.array<float>(6, "temperature", head.rows);
    for (std::size_t r = 0; r < head.rows; ++r) check(head.temperatures[r]);
  }
  return head;
}

// Arguments 7 and 8: the pairs.
Pairs pairs_of(const Args& a, const Head& head) {
  Pairs pairs{};
  pairs.rows = a.array<std::int32_t>(7, "pair rows", &pairs.count);
  pairs.ids = a.array<std::int32_t>(8, "ids", pairs.count);
  for (std::size_t p = 0; p < pairs.count; ++p) {
    if (pairs.rows[p] < 0 || static_cast<std::size_t>(pairs.rows[p]) >= head.rows)
      a.fail("pair " + std::to_string(p) + " names row " + std::to_string(pairs.rows[p]) + " of " + std::to_string(head.rows));
    if (pairs.ids[p] < 0 || static_cast<std::size_t>(pairs.ids[p]) >= head.vocab)
      a.fail("pair " + std::to_string(p) + " names id " + std::to_string(pairs.ids[p]) + " of " + std::to_string(head.vocab));
  }
  return pairs;
}

DType accumulator_of(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

// linearLogprob(rows, cols, vocab, vocabSize, h, w, temperature, pairRows, ids, stats, logp, entropy)
void forward(const Napi::CallbackInfo& info) {
  const Args a(info, "linearLogprob");
  DType dtype;
  const Head head = head_of(a, info, false, &dtype);
  const Pairs pairs = pairs_of(a, head);
  const DType acc = accumulator_of(dtype);
  void* stats = a.tensor(9, "stats", 2 * head.rows, acc).data;
  void* logp = a.tensor(10, "logp", pairs.count, acc).data;
  void* entropy = a.tensor(11, "entropy", head.rows, acc).data;
  const Scratch partials(a, 3 * head.rows * head.tiles() * size_of(acc));
  a.backend().logprob.forward[static_cast<int>(dtype)](a.pool(), head, pairs, partials.data(), stats, logp, entropy);
}

// linearLogprobBackward(rows, cols, vocab, vocabSize, h, w, temperature, pairRows, ids, stats, entropy, dlogp | null,
//                       dentropy | null, dh, accumulate, dw | null, continueDw, pendingX | null, pendingDy, pendingRows, close):
//                       rows pending after it
Napi::Value backward(const Napi::CallbackInfo& info) {
  const Args a(info, "linearLogprobBackward");
  DType dtype;
  const Head head = head_of(a, info, false, &dtype);
  const Pairs pairs = pairs_of(a, head);
  const DType acc = accumulator_of(dtype);
  const void* stats = a.tensor(9, "stats", 2 * head.rows, acc).data;
  const void* entropy = a.tensor(10, "entropy", head.rows, acc).data;
  const void* dlogp = a.has(11) ? a.tensor(11, "dlogp", pairs.count, acc).data : nullptr;
  const void* dentropy = a.has(12) ? a.tensor(12, "dentropy", head.rows, acc).data : nullptr;
  void* dh = a.tensor(13, "dh", head.rows * head.cols, dtype).data;
  void* dw = a.has(15) ? a.tensor(15, "dw", (head.vocab + 31) / 32 * 32 * head.cols, acc).data : nullptr;
  PendingRows pending = a.has(17) ? pending_rows(a, 17, head.cols, head.vocab, dtype) : PendingRows{};
  const LogprobKernels& kernels = a.backend().logprob;
  const Scratch scratch(a, kernels.backward_scratch[static_cast<int>(dtype)](head.rows, head.cols));
  kernels.backward[static_cast<int>(dtype)](a.pool(), head, pairs, stats, entropy, dlogp, dentropy, dh, a.flag(14), dw, dw && a.flag(16),
                                              a.has(17) ? &pending : nullptr, scratch.data());
  return Napi::Number::New(info.Env(), static_cast<double>(pending.count));
}

// sampleTokens(rows, cols, vocab, vocabSize, h, w, temperature, topK, topP, minP, key0, key1, counters, greedy, ids, logprob, entropy)
void sample(const Napi::CallbackInfo& info) {
  const Args a(info, "sampleTokens");
  DType dtype;
  const Head head = head_of(a, info, true, &dtype);
  Draw draw{};
  draw.restriction = {a.size(7, "topK"), a.number(8, "topP"), a.number(9, "minP")};
  if (!(draw.restriction.top_p > 0 && draw.restriction.top_p <= 1)) a.fail("topP must be in (0, 1]");
  if (!(draw.restriction.min_p >= 0 && draw.restriction.min_p <= 1)) a.fail("minP must be in [0, 1]");
  for (std::size_t i = 0; i < 2; ++i) draw.key[i] = static_cast<std::uint32_t>(a.size(10 + i, "key"));
  draw.counters = a.array<std::uint32_t>(12, "counters", 4 * head.rows);
  draw.greedy = a.flag(13);
  auto* ids = a.array<std::int32_t>(14, "ids", head.rows);
  auto* logprob = a.array<float>(15, "logprob", head.rows);
  auto* entropy = a.array<float>(16, "entropy", head.rows);
  const LogprobKernels& kernels = a.backend().logprob;
  const Scratch scratch(a, kernels.sample_scratch[static_cast<int>(dtype)](head));
  kernels.sample[static_cast<int>(dtype)](a.pool(), head, draw, scratch.data(), ids, logprob, entropy);
}

// philox(key0, key1, counters, out): the block of four words of each counter
void philox(const Napi::CallbackInfo& info) {
  const Args a(info, "philox");
  const Philox generator{{static_cast<std::uint32_t>(a.size(0, "key")), static_cast<std::uint32_t>(a.size(1, "key"))}};
  std::size_t words = 0;
  const auto* counters = a.array<std::uint32_t>(2, "counters", &words);
  if (words % 4 != 0) a.fail("counters has " + std::to_string(words) + " elements, expected a multiple of 4");
  auto* out = a.array<std::uint32_t>(3, "out", words);
  for (std::size_t i = 0; i < words; i += 4) generator.block(counters + i, out + i);
}

}  // namespace

void register_linear_logprob(Napi::Env env, Napi::Object exports) {
  expose(env, exports, "linearLogprob", forward);
  expose(env, exports, "linearLogprobBackward", backward);
  expose(env, exports, "sampleTokens", sample);
  expose(env, exports, "philox", philox);
}

}  // namespace grpo
