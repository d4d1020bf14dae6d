#pragma once
#include <cstddef>
#include <cstdint>

namespace grpo {

// Fork-join over numbered items. Every thread has a run of them of its own, the same in every call of as many items, so that what one
// call leaves in a core's cache is there for the next; who is done with its own takes from the others. So which thread does an item is
// not fixed: an item's result must not depend on it. The calling thread takes part and waits only for items that were claimed: a worker
// that is descheduled before it claims anything costs nothing. Workers spin for about 1 ms, then sleep.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const noexcept { return threads_; }

  // Calls body(context, item, thread) for item = 0..items-1; thread is in 0..size()-1. items < 2^20. Not re-entrant.
  void run(std::size_t items, void (*body)(void*, std::size_t, int), void* context) noexcept;

  // Memory private to one thread, at least `bytes` long, 64-byte aligned, kept between calls. Its content is undefined.
  // Throws std::bad_alloc.
  void* scratch(int thread, std::size_t bytes);
  // Of all threads together.
  std::size_t scratch_bytes() const noexcept;

 private:
  struct Impl;
  Impl* impl_;
  int threads_;
};

// parallel_for(pool, n, [&](std::size_t item, int thread) { ... });
template <class F>
void parallel_for(ThreadPool& pool, std::size_t items, F&& body) {
  pool.run(items, [](void* f, std::size_t item, int thread) { (*static_cast<F*>(f))(item, thread); }, &body);
}

}  // namespace grpo
