#include "kernels/tree_attention.h"

#include "kernels/rotary.h"
#include "kernels/tree_attention_backward.h"
#include "kernels/tree_attention_walk.h"

namespace grpo {
namespace {

// Calls body(tiles, T{}) with the tile functions of the storage type.
template <class F>
void with_tiles(const AllTiles& tiles, DType dtype, F&& body) {
  if (dtype == DType::f64) body(tiles.f64, double{});
  else if (dtype == DType::bf16) body(tiles.b16, bf16{});
  else body(tiles.f32, float{});
}

template <AllTiles (*all_tiles)()>
void forward(ThreadPool& pool, DType dtype, const AttentionShape& shape, const AttentionPlan& plan, const void* qkv, void* k, void* v,
             void* out, void* stats) {
  static const AllTiles tiles = all_tiles();
  with_tiles(tiles, dtype, [&](const auto& t, auto zero) {
    using T = decltype(zero);
    Walk<T>{pool, t, shape, plan}.forward(static_cast<const T*>(qkv), static_cast<T*>(k), static_cast<T*>(v), static_cast<T*>(out),
                                          static_cast<compute_t<T>*>(stats));
  });
}

template <AllTiles (*all_tiles)()>
void backward(ThreadPool& pool, DType dtype, const AttentionShape& shape, const AttentionPlan& plan, std::size_t blocks,
              const void* qkv, const void* k, const void* v, const void* out, const void* stats, const AttentionGradients& g) {
  static const AllTiles tiles = all_tiles();
  with_tiles(tiles, dtype, [&](const auto& t, auto zero) {
    using T = decltype(zero);
    using C = compute_t<T>;
    const Walk<T> w{pool, t, shape, plan};
    Backward<T>{w,
                static_cast<const T*>(qkv),
                static_cast<const T*>(k),
                static_cast<const T*>(v),
                static_cast<const T*>(out),
                static_cast<const C*>(stats),
                static_cast<const T*>(g.dout),
                static_cast<T*>(g.dqkv),
                g.accumulate,
                static_cast<C*>(g.dk),
                static_cast<C*>(g.dv),
                static_cast<T*>(g.k_rows),
                static_cast<T*>(g.v_columns),
                static_cast<C*>(g.delta)}
        .run(blocks);
  });
}

void copy_blocks(DType dtype, const AttentionShape& shape, std::size_t copies, const std::int32_t* copy, void* k, void* v) {
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    copy_keys(shape, copies, copy, static_cast<T*>(k), static_cast<T*>(v));
  };
  if (dtype == DType::f64) run(double{});
  else if (dtype == DType::bf16) run(bf16{});
  else run(float{});
}

AllTiles scalar_tiles() { return {reference_tiles<float>(), reference_tiles<bf16>(), reference_tiles<double>()}; }
#if defined(GRPO_HAVE_AVX512)
AllTiles avx2_tiles() { return {avx2_tiles_f32(), avx2_tiles_b16(), reference_tiles<double>()}; }
AllTiles avx512_tiles() { return {avx512_tiles_f32(), avx512_tiles_b16(), reference_tiles<double>()}; }
AllTiles avx512bf16_tiles() { return {avx512_tiles_f32(), avx512bf16_tiles_b16(), reference_tiles<double>()}; }
#elif defined(GRPO_HAVE_NEON)
AllTiles neon_tiles() { return {neon_tiles_f32(), neon_tiles_b16(), reference_tiles<double>()}; }
#endif

template <AllTiles (*all_tiles)()>
AttentionKernels kernels() {
  return {forward<all_tiles>, backward<all_tiles>, copy_blocks, rotary, rotary_backward};
}

}  // namespace

AttentionKernels attention_kernels(Isa isa) {
  switch (isa) {
#if defined(GRPO_HAVE_AVX512)
    case Isa::avx2: return kernels<avx2_tiles>();
    case Isa::avx512: return kernels<avx512_tiles>();
    case Isa::avx512bf16: return kernels<avx512bf16_tiles>();
#elif defined(GRPO_HAVE_NEON)
    case Isa::neon: return kernels<neon_tiles>();
#endif
    default: return kernels<scalar_tiles>();
  }
}

}  // namespace grpo
