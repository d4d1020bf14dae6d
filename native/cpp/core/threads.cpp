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

// The items of one thread. `state` = epoch (24 bits) | end (20) | next (20) in one word: a claim is one compare-and-swap that succeeds
// only for the job it was read from, so a late worker can never take an item of a job that is over.
struct alignas(64) Range {
  std::atomic<std::uint64_t> state{0};
  bool empty(std::memory_order order) const {
    const std::uint64_t s = state.load(order);
    return (s & kFieldMask) >= ((s >> kFieldBits) & kFieldMask);
  }
};

}  // namespace

struct ThreadPool::Impl {
  explicit Impl(std::size_t threads) : ranges(threads), scratch(threads) {}

  std::vector<Range> ranges;
  alignas(64) std::atomic<std::size_t> done{0};
  alignas(64) std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  void (*body)(void*, std::size_t, int) = nullptr;
  void* context = nullptr;
  std::uint64_t epoch = 0;
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;
  struct Scratch {
    void* data = nullptr;
    std::size_t bytes = 0;
  };
  std::vector<Scratch> scratch;

  // Does what is left of the current job: first the thread's own range, then those of the threads after it.
  void work(int thread) {
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      std::atomic<std::uint64_t>& state = ranges[(static_cast<std::size_t>(thread) + i) % ranges.size()].state;
      std::size_t count = 0;
      for (std::uint64_t s = state.load(std::memory_order_acquire);;) {
        const std::uint64_t next = s & kFieldMask, end = (s >> kFieldBits) & kFieldMask;
        if (next >= end) break;
        if (!state.compare_exchange_weak(s, s + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
        body(context, next, thread);
        ++count;
        s = state.load(std::memory_order_acquire);
      }
      if (count > 0) done.fetch_add(count, std::memory_order_acq_rel);
    }
  }

  void worker(int thread) {
    const Range& own = ranges[static_cast<std::size_t>(thread)];
    while (!stop.load(std::memory_order_relaxed)) {
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
      bool spinning = true;
      while (spinning) {
        for (int i = 0; i < 64 && spinning; ++i) {
          if (own.empty(std::memory_order_acquire)) relax();
          else spinning = false;
        }
        if (stop.load(std::memory_order_relaxed)) return;
        if (spinning && std::chrono::steady_clock::now() > until) {
          std::unique_lock<std::mutex> lock(mutex);
          sleepers.fetch_add(1, std::memory_order_seq_cst);
          wake.wait(lock, [&] { return stop.load() || !own.empty(std::memory_order_seq_cst); });
          sleepers.fetch_sub(1, std::memory_order_seq_cst);
          spinning = false;
        }
      }
      work(thread);
    }
  }
};

ThreadPool::ThreadPool(int threads) : threads_(threads < 1 ? 1 : threads) {
  impl_ = new Impl(static_cast<std::size_t>(threads_));
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
  ++p.epoch;
  // The caller's own range comes last, so that the others start meanwhile, and is never the smaller one.
  const std::size_t threads = p.ranges.size();
  for (std::size_t t = threads; t-- > 0;) {
    const std::uint64_t first = (items * t + threads - 1) / threads, end = (items * (t + 1) + threads - 1) / threads;
    p.ranges[t].state.store((p.epoch << (2 * kFieldBits)) | (end << kFieldBits) | first, std::memory_order_seq_cst);
  }
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
