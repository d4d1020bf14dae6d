#pragma once
// What a thread holds while it multiplies: the tile registers of AMX, elsewhere nothing. Include from instruction-set files only.
#include "core/simd.h"
#if defined(__AMX_BF16__)
#include "kernels/amx_tiles.h"
#endif

namespace grpo {
namespace GRPO_ISA_NS {

#if defined(__AMX_BF16__)
using Registers = TileRegisters;
#else
struct Registers {};
#endif

}  // namespace GRPO_ISA_NS
}  // namespace grpo
