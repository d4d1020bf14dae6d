#include "kernels/tree_attention.h"

#include "kernels/rotary.h"
#include "kernels/tree_attention_backward.h"
#include "kernels/tree_attention_walk.h"
#include "kernels/with_type.h"

namespace grpo {
namespace {

const AttentionTiles<float>& pick(const AllTiles& all, float) { return all.f32; }
const AttentionTiles<bf16>& pick(const AllTiles& all, bf16) { return all.b16; }
const AttentionTiles<double>& pick(const AllTiles& all, double) { return all.f64; }

template <AllTiles (*all_tiles)()>
const AllTiles& tiles_of() {
  static const AllTiles tiles = all_tiles();
  return tiles;
}

template <AllTiles (*all_tiles)()>
void forward(ThreadPool& pool, DType dtype, const AttentionShape& shape, const AttentionPlan& plan, const void* qkv, void* k, void* v,
             void* out, void* stats) {
  const AllTiles& tiles = tiles_of<all_tiles>();
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    Walk<T>{pool, pick(tiles, zero), shape, plan}.forward(static_cast<const T*>(qkv), static_cast<T*>(k), static_cast<T*>(v), static_cast<T*>(out),
                                          static_cast<compute_t<T>*>(stats));
  });
}

template <AllTiles (*all_tiles)()>
void backward_queries(ThreadPool& pool, DType dtype, const AttentionShape& shape, const AttentionPlan& plan, std::size_t blocks,
                      const void* qkv, const void* k, const void* v, const void* out, const void* stats, const AttentionGradients& g) {
  const AllTiles& tiles = tiles_of<all_tiles>();
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using C = compute_t<T>;
    const Walk<T> w{pool, pick(tiles, zero), shape, plan};
    Backward<T>{w,
                static_cast<const T*>(qkv),
                static_cast<const T*>(k),
                static_cast<const T*>(v),
                static_cast<const T*>(out),
                static_cast<const C*>(stats),
                static_cast<const T*>(g.dout),
                static_cast<T*>(g.dq),
                g.dq_width,
                g.accumulate,
                g.continued,
                static_cast<C*>(g.dk),
                static_cast<C*>(g.dv),
                static_cast<T*>(g.k_rows),
                static_cast<T*>(g.v_columns),
                static_cast<C*>(g.delta)}
        .run(blocks);
  });
}

template <AllTiles (*all_tiles)()>
void backward_keys(ThreadPool& pool, DType dtype, const AttentionShape& shape, const AttentionPlan& plan, const void* dq, void* dk, void* dv,
                   void* dqkv, bool accumulate) {
  const AllTiles& tiles = tiles_of<all_tiles>();
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using C = compute_t<T>;
    const Walk<T> w{pool, pick(tiles, zero), shape, plan};
    BackwardKeys<T>{w, static_cast<const T*>(dq), static_cast<C*>(dk), static_cast<C*>(dv), static_cast<T*>(dqkv), accumulate}.run();
  });
}

void copy_blocks(DType dtype, const AttentionShape& shape, std::size_t copies, const std::int32_t* copy, void* k, void* v) {
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    copy_keys(shape, copies, copy, static_cast<T*>(k), static_cast<T*>(v));
  });
}

AllTiles scalar_tiles() { return {reference_tiles<float>(), reference_tiles<bf16>(), reference_tiles<double>()}; }
#if defined(GRPO_HAVE_AVX512)
AllTiles avx2_tiles() { return {avx2_tiles_f32(), avx2_tiles_b16(), reference_tiles<double>()}; }
AllTiles avx512_tiles() { return {avx512_tiles_f32(), avx512_tiles_b16(), reference_tiles<double>()}; }
AllTiles avx512bf16_tiles() { return {avx512_tiles_f32(), avx512bf16_tiles_b16(), reference_tiles<double>()}; }
#if defined(GRPO_HAVE_AMX)
AllTiles amx_tiles() { return {avx512_tiles_f32(), amx_tiles_b16(), reference_tiles<double>()}; }
#endif
#elif defined(GRPO_HAVE_NEON)
AllTiles neon_tiles() { return {neon_tiles_f32(), neon_tiles_b16(), reference_tiles<double>()}; }
#endif

template <AllTiles (*all_tiles)()>
AttentionKernels kernels(const RotaryKernels& rotary) {
  return {forward<all_tiles>, backward_queries<all_tiles>, backward_keys<all_tiles>, copy_blocks, rotary.forward, rotary.backward};
}

}  // namespace

AttentionKernels attention_kernels(Isa isa) {
  const RotaryKernels rotary = rotary_kernels(isa);
  switch (isa) {
#if defined(GRPO_HAVE_AVX512)
    case Isa::avx2: return kernels<avx2_tiles>(rotary);
    case Isa::avx512: return kernels<avx512_tiles>(rotary);
    case Isa::avx512bf16: return kernels<avx512bf16_tiles>(rotary);
#if defined(GRPO_HAVE_AMX)
    case Isa::amx: return kernels<amx_tiles>(rotary);
#endif
#elif defined(GRPO_HAVE_NEON)
    case Isa::neon: return kernels<neon_tiles>(rotary);
#endif
    default: return kernels<scalar_tiles>(rotary);
  }
}

}  // namespace grpo
