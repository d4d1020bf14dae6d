#include "core/tensor.h"

#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace grpo {
namespace {

constexpr std::uint32_t kSlotBits = 20, kSlotMask = (1u << kSlotBits) - 1, kGenerations = 1u << 11;
constexpr std::size_t kHuge = std::size_t{2} << 20;
// What may be kept beyond the most that tensors ever took: blocks of sizes that are not in use at the same time.
constexpr std::size_t kSpare = std::size_t{256} << 20;

// Size of the block that holds `bytes`: eight sizes for every doubling, so that at most an eighth is unused (and, past a page, never
// touched).
std::size_t block_of(std::size_t bytes) {
  std::size_t unit = 64;
  while (unit * 16 < bytes) unit *= 2;
  return bytes == 0 ? unit : (bytes + unit - 1) / unit * unit;
}

// Memory from the system, in huge pages as far as they would be nearly full: a product that reads a weight from small pages spends
// a third of its time looking them up.
void* fresh(std::size_t block) {
  constexpr std::size_t kNearlyFull = kHuge / 4 * 3;
  if (block < kNearlyFull) return std::aligned_alloc(64, block);
  const std::size_t whole = block % kHuge >= kNearlyFull ? (block + kHuge - 1) / kHuge * kHuge : block;
  void* data = std::aligned_alloc(kHuge, whole);
#if defined(__linux__)
  if (data) madvise(data, whole, MADV_HUGEPAGE);
#endif
  return data;
}

}  // namespace

TensorTable::TensorTable() {
#if defined(__GLIBC__)
  // Large blocks go back to the system when they are freed. Left to itself the limit rises with the first of them, up to 32 MB, and
  // blocks below it leave holes in the heap: several hundred MB in a step of a 0.5B model.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  // Setting one limit fixes the other, which would give small blocks back and fetch them again all the time.
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

TensorTable::~TensorTable() {
  for (Slot& slot : slots_) {
    if (slot.used) std::free(slot.tensor.data);
  }
  trim();
}

void TensorTable::trim() {
  while (stats_.cached_bytes > 0) free_oldest();
}

void TensorTable::free_oldest() {
  auto oldest = cache_.end();
  for (auto it = cache_.begin(); it != cache_.end(); ++it) {
    if (!it->second.empty() && (oldest == cache_.end() || it->second.front().freed < oldest->second.front().freed)) oldest = it;
  }
  std::free(oldest->second.front().data);
  oldest->second.pop_front();
  stats_.cached_bytes -= oldest->first;
}

void* TensorTable::take(std::size_t block) {
  void* data = nullptr;
  if (const auto it = cache_.find(block); it != cache_.end() && !it->second.empty()) {
    data = it->second.back().data;
    it->second.pop_back();
    stats_.cached_bytes -= block;
  } else {
    while (stats_.cached_bytes > 0 && held_ + block + stats_.cached_bytes > most_held_ + kSpare) free_oldest();
    data = fresh(block);
    if (!data && stats_.cached_bytes > 0) {
      trim();
      data = fresh(block);
    }
    if (!data) throw std::bad_alloc();
  }
  held_ += block;
  if (held_ > most_held_) most_held_ = held_;
  return data;
}

void TensorTable::give(void* data, std::size_t block) {
  held_ -= block;
  cache_[block].push_back({data, frees_++});
  stats_.cached_bytes += block;
}

std::uint32_t TensorTable::create(DType dtype, std::size_t numel, bool zero) {
  if (free_slots_.empty()) {
    if (slots_.size() > kSlotMask) throw std::bad_alloc();
    slots_.emplace_back();
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  const std::size_t bytes = numel * size_of(dtype);
  void* data = take(block_of(bytes));
  if (zero) std::memset(data, 0, bytes);
  const std::uint32_t index = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = slots_[index];
  slot.tensor = {data, numel, dtype};
  slot.used = true;
  stats_.live_tensors += 1;
  stats_.live_bytes += bytes;
  if (stats_.live_bytes > stats_.peak_bytes) stats_.peak_bytes = stats_.live_bytes;
  return slot.generation << kSlotBits | index;
}

Tensor* TensorTable::find(std::uint32_t handle) {
  const std::uint32_t index = handle & kSlotMask;
  if (index >= slots_.size()) return nullptr;
  Slot& slot = slots_[index];
  return slot.used && slot.generation == handle >> kSlotBits ? &slot.tensor : nullptr;
}

bool TensorTable::dispose(std::uint32_t handle) {
  if (!find(handle)) return false;
  const std::uint32_t index = handle & kSlotMask;
  Slot& slot = slots_[index];
  const std::size_t bytes = slot.tensor.bytes();
  give(slot.tensor.data, block_of(bytes));
  slot.tensor = {};
  slot.used = false;
  slot.generation = (slot.generation + 1) % kGenerations;
  stats_.live_tensors -= 1;
  stats_.live_bytes -= bytes;
  free_slots_.push_back(index);
  return true;
}

}  // namespace grpo
