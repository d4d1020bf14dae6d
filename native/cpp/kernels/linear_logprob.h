#pragma once
#include "core/cpu.h"
#include "core/dtype.h"
#include "core/threads.h"
#include "kernels/linear.h"

namespace grpo {

// The vocabulary is walked in tiles of this many columns. The width is part of the number format: changing it changes bits.
constexpr std::size_t kVocabTile = 512;

// The LM head applied to rows of hidden states: logits l[r,v] = (sum_k h[r,k] w[v,k]) / temperature[r] for v < limit.
//   h   (rows, cols) row-major, model dtype T
//   w   panels of (vocab, cols), model dtype T
// Accumulator type A is float, or double for T = double. Ids >= limit have logit -inf.
struct Head {
  std::size_t rows, cols, vocab, limit;
  const void* h;
  const void* w;
  double temperature;          // of every row, where `temperatures` is null
  const float* temperatures;   // (rows) or null

  std::size_t tiles() const { return (limit + kVocabTile - 1) / kVocabTile; }
  // Columns of tile t below the limit.
  std::size_t columns(std::size_t t) const { return limit - t * kVocabTile < kVocabTile ? limit - t * kVocabTile : kVocabTile; }
};

// Pairs (row, id) whose log-probs are wanted; a row may have any number of them.
struct Pairs {
  std::size_t count;
  const std::int32_t* rows;
  const std::int32_t* ids;
};

// What a draw may choose from: 0 or 1 mean off (top_k 0, top_p 1, min_p 0).
struct Restriction {
  std::size_t top_k;
  double top_p, min_p;
};

struct Draw {
  Restriction restriction;
  std::uint32_t key[2];
  const std::uint32_t* counters;  // (rows, 4)
  bool greedy;
};

struct LogprobKernels {
  // logp[p] = log softmax(l[rows[p]])[ids[p]] and entropy[r] = -sum_v p log p, in nats, type A. Logits stay in type A, one chain of
  // fused multiply-adds over k each; per row and tile (max, sum exp, sum exp*(l - max)) by a fixed lane tree, folded in tile
  // order. Hence no bit depends on the other rows, on threads, or on how rows are cut.
  //   stats    (rows, 2) type A: max and log sum exp(l - max), for backward
  //   partials 3 * rows * tiles numbers of type A, scratch
  void (*forward[3])(ThreadPool&, const Head&, const Pairs&, void* partials, void* stats, void* logp, void* entropy);

  // Given d loss / d logp (count) and d loss / d entropy (rows), either may be null, all of type A:
  //   dl[r,v] = (sum_{pairs (r,v)} dlogp - p (sum_{pairs of r} dlogp + dentropy (log p + H))) / temperature, rounded once to T
  //   dh      (rows, cols) T, = round(chain over v) or round(dh + chain) where `accumulate`
  //   dw      panels of (vocab, cols), type A: a chain over rows in order, from 0 or, where `continue_dw`, from its stored
  //           value; may be null. Rows are added in blocks where LinearKernels::gradient_block says so, with `pending` as there:
  //           x is h, dy is dl (all of vocab, zero from the limit on)
  // The logits are computed again, on AMX in blocks where the gradients of float32 are (kernels/weight_product_amx.h).
  // There dl, dh and dw have bits of their own.
  // Pairs with id >= limit contribute nothing. scratch: backward_scratch bytes.
  void (*backward[3])(ThreadPool&, const Head&, const Pairs&, const void* stats, const void* entropy, const void* dlogp,
                      const void* dentropy, void* dh, bool accumulate, void* dw, bool continue_dw, PendingRows* pending,
                      void* scratch);
  std::size_t (*backward_scratch[3])(std::size_t rows, std::size_t cols);

  // Draws one id per row: argmax (lowest index on ties) where greedy or temperature 0, else by inverse CDF over the tiles in order
  // with u = Philox(key, counter). logprob and entropy are those of `forward` (the restriction is not in them; temperature
  // 1 where it is 0), rounded to float. scratch: sample_scratch bytes.
  void (*sample[3])(ThreadPool&, const Head&, const Draw&, void* scratch, std::int32_t* ids, float* logprob, float* entropy);
  std::size_t (*sample_scratch[3])(const Head&);
};

LogprobKernels logprob_kernels(Isa isa);

}  // namespace grpo
