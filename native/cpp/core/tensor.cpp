#include "core/tensor.h"

#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace grpo {
namespace {

constexpr std::uint32_t kSlotBits = 20, kSlotMask = (1u << kSlotBits) - 1, kGenerations = 1u << 11;
constexpr std::size_t kCacheBytes = std::size_t{256} << 20, kCacheBlocks = 512, kHuge = std::size_t{2} << 20;

std::size_t rounded(std::size_t bytes) {
  const std::size_t unit = bytes >= kHuge ? 4096 : 64;
  return bytes == 0 ? unit : (bytes + unit - 1) / unit * unit;
}

}  // namespace

TensorTable::~TensorTable() {
  for (Slot& slot : slots_) {
    if (slot.used) std::free(slot.tensor.data);
  }
  trim();
}

void TensorTable::trim() {
  for (const Block& block : cache_) std::free(block.data);
  cache_.clear();
  stats_.cached_bytes = 0;
}

void* TensorTable::take(std::size_t bytes) {
  for (std::size_t i = cache_.size(); i-- > 0;) {
    if (cache_[i].bytes != bytes) continue;
    void* data = cache_[i].data;
    cache_[i] = cache_.back();
    cache_.pop_back();
    stats_.cached_bytes -= bytes;
    return data;
  }
  void* data = std::aligned_alloc(bytes >= kHuge ? 4096 : 64, bytes);
  if (!data && !cache_.empty()) {
    trim();
    data = std::aligned_alloc(bytes >= kHuge ? 4096 : 64, bytes);
  }
  if (!data) throw std::bad_alloc();
#if defined(__linux__)
  if (bytes >= kHuge) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

void TensorTable::give(void* data, std::size_t bytes) {
  if (bytes > kCacheBytes / 4) {
    std::free(data);
    return;
  }
  while (!cache_.empty() && (stats_.cached_bytes + bytes > kCacheBytes || cache_.size() >= kCacheBlocks)) {
    std::free(cache_.front().data);
    stats_.cached_bytes -= cache_.front().bytes;
    cache_.erase(cache_.begin());
  }
  cache_.push_back({data, bytes});
  stats_.cached_bytes += bytes;
}

std::uint32_t TensorTable::create(DType dtype, std::size_t numel, bool zero) {
  if (free_slots_.empty()) {
    if (slots_.size() > kSlotMask) throw std::bad_alloc();
    slots_.emplace_back();
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  const std::size_t bytes = rounded(numel * size_of(dtype));
  void* data = take(bytes);
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
  const std::size_t bytes = rounded(slot.tensor.bytes());
  give(slot.tensor.data, bytes);
  slot.tensor = {};
  slot.used = false;
  slot.generation = (slot.generation + 1) % kGenerations;
  stats_.live_tensors -= 1;
  stats_.live_bytes -= bytes;
  free_slots_.push_back(index);
  return true;
}

}  // namespace grpo
