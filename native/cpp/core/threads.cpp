#include "core/threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace grpo {
namespace {

constexpr std::uint64_t kFieldBits = 20, kFieldMask = (1u << kFieldBits) - 1;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

// `state` = epoch (24 bits) | items (20) | next (20) in one word: a claim is one compare-and-swap that succeeds only for the
// job it was read from, so a late worker can never take an item of a job that is over.
struct ThreadPool::Impl {
  std::atomic<std::uint64_t> state{0};
  alignas(64) std::atomic<std::uint32_t> done{0};
  alignas(64) std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  void (*body)(void*, std::size_t, int) = nullptr;
  void* context = nullptr;
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;
  struct Scratch {
    void* data = nullptr;
    std::size_t bytes = 0;
  };
  std::vector<Scratch> scratch;

  // Does items of the current job until none is left; returns how many.
  bool work(int thread) {
    bool any = false;
    for (;;) {
      std::uint64_t s = state.load(std::memory_order_acquire);
      const std::uint64_t next = s & kFieldMask, items = (s >> kFieldBits) & kFieldMask;
      if (next >= items) return any;
      if (!state.compare_exchange_weak(s, s + 1, std::memory_order_acq_rel)) continue;
      body(context, next, thread);
      done.fetch_add(1, std::memory_order_acq_rel);
      any = true;
    }
  }

  void worker(int thread) {
    while (!stop.load(std::memory_order_relaxed)) {
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
      bool spinning = true;
      while (spinning) {
        for (int i = 0; i < 64; ++i) {
          if (work(thread)) spinning = false;
          relax();
        }
        if (stop.load(std::memory_order_relaxed)) return;
        if (spinning && std::chrono::steady_clock::now() > until) {
          std::unique_lock<std::mutex> lock(mutex);
          sleepers.fetch_add(1, std::memory_order_seq_cst);
          wake.wait(lock, [&] {
            const std::uint64_t s = state.load(std::memory_order_seq_cst);
            return stop.load() || (s & kFieldMask) < ((s >> kFieldBits) & kFieldMask);
          });
          sleepers.fetch_sub(1, std::memory_order_seq_cst);
          spinning = false;
        }
      }
    }
  }
};

ThreadPool::ThreadPool(int threads) : impl_(new Impl), threads_(threads < 1 ? 1 : threads) {
  impl_->scratch.resize(static_cast<std::size_t>(threads_));
  for (int t = 1; t < threads_; ++t) impl_->workers.emplace_back([this, t] { impl_->worker(t); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->wake.notify_all();
  for (auto& w : impl_->workers) w.join();
  for (auto& s : impl_->scratch) std::free(s.data);
  delete impl_;
}

void ThreadPool::run(std::size_t items, void (*body)(void*, std::size_t, int), void* context) noexcept {
  if (threads_ == 1 || items <= 1) {
    for (std::size_t i = 0; i < items; ++i) body(context, i, 0);
    return;
  }
  Impl& p = *impl_;
  p.body = body;
  p.context = context;
  p.done.store(0, std::memory_order_relaxed);
  const std::uint64_t epoch = (p.state.load(std::memory_order_relaxed) >> (2 * kFieldBits)) + 1;
  p.state.store((epoch << (2 * kFieldBits)) | (static_cast<std::uint64_t>(items) << kFieldBits), std::memory_order_seq_cst);
  if (p.sleepers.load(std::memory_order_seq_cst) > 0) {
    { std::lock_guard<std::mutex> lock(p.mutex); }
    p.wake.notify_all();
  }
  p.work(0);
  while (p.done.load(std::memory_order_acquire) < items) relax();
}

void* ThreadPool::scratch(int thread, std::size_t bytes) {
  Impl::Scratch& s = impl_->scratch[static_cast<std::size_t>(thread)];
  if (s.bytes < bytes) {
    std::free(s.data);
    s.bytes = 0;
    s.data = std::aligned_alloc(64, (bytes + 4095) / 4096 * 4096);
    if (!s.data) throw std::bad_alloc();
    s.bytes = (bytes + 4095) / 4096 * 4096;
  }
  return s.data;
}

std::size_t ThreadPool::scratch_bytes() const noexcept {
  std::size_t sum = 0;
  for (const Impl::Scratch& s : impl_->scratch) sum += s.bytes;
  return sum;
}

}  // namespace grpo
