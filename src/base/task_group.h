#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace duckback {

// A few threads that run tasks, with a bounded queue. The first error stops the rest: what has
// not begun is dropped, and run() and wait() throw it.
class TaskGroup {
 public:
  explicit TaskGroup(std::size_t threads, std::size_t queued_most);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Waits while the queue is full. Tasks may begin in any order.
  void run(std::function<void()> task);
  // Returns when nothing is queued or running.
  void wait();
  // Throws the first error, if there was one.
  void check();

 private:
  void work();

  const std::size_t queued_most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::size_t running_ = 0;
  bool ending_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace duckback
