#pragma once

#include <stop_token>
#include <thread>

namespace duckback {

// Turns the first SIGINT, SIGTERM or SIGHUP into a request to stop, so that temporary files are
// removed; the second one ends the process at once. Also sees to it that a closed pipe and a file
// size limit come as errors. One object a process.
class StopOnSignal {
 public:
  StopOnSignal();
  ~StopOnSignal();

  std::stop_token token() const { return source_.get_token(); }
  // Whether a signal came.
  static bool received();
  // The exit status by convention for the signal that came: 129, 130, 143.
  static int exit_status();

 private:
  std::stop_source source_;
  std::thread waiter_;
};

}  // namespace duckback
