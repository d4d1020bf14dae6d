#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "core/dtype.h"

namespace grpo {

// A block of native memory with an element type. Shapes live in TypeScript; kernels get sizes as arguments.
struct Tensor {
  void* data = nullptr;
  std::size_t numel = 0;
  DType dtype = DType::f32;

  std::size_t bytes() const { return numel * size_of(dtype); }
};

struct MemoryStats {
  std::size_t live_tensors = 0, live_bytes = 0, peak_bytes = 0, cached_bytes = 0;
};

// Owns tensors behind handles (generation << 20 | slot). Freed blocks are kept for tensors of about the same size, because a
// training step asks for the same sizes again and again and fresh pages cost more than most kernels. Tensors and kept blocks
// together take little more than the tensors alone once did.
class TensorTable {
 public:
  TensorTable();
  ~TensorTable();
  TensorTable(const TensorTable&) = delete;
  TensorTable& operator=(const TensorTable&) = delete;

  // 64-byte aligned, zeroed if asked. Throws std::bad_alloc.
  std::uint32_t create(DType dtype, std::size_t numel, bool zero);
  // nullptr when the handle is stale or was never given out.
  Tensor* find(std::uint32_t handle);
  // False when the handle is stale: disposing twice is harmless.
  bool dispose(std::uint32_t handle);
  // Gives cached blocks back to the system.
  void trim();
  void reset_peak() { stats_.peak_bytes = stats_.live_bytes; }
  const MemoryStats& stats() const { return stats_; }

 private:
  struct Slot {
    Tensor tensor;
    std::uint32_t generation = 0;
    bool used = false;
  };
  struct Block {
    void* data;
    std::uint64_t freed;  // when: a count of frees
  };
  void* take(std::size_t block);
  void give(void* data, std::size_t block);
  void free_oldest();

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::map<std::size_t, std::deque<Block>> cache_;  // by size of block, oldest first
  // Of all live tensors' blocks: now, and the most there ever was. Frees so far.
  std::size_t held_ = 0, most_held_ = 0;
  std::uint64_t frees_ = 0;
  MemoryStats stats_;
};

}  // namespace grpo
