#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "io/file.h"

namespace duckback {

struct ChildOptions {
  fs::path program;                    // no search in PATH
  std::vector<std::string> arguments;  // visible to everybody on the machine: no secrets
  std::string input;                   // all of its standard input
  std::chrono::milliseconds timeout{std::chrono::hours(12)};
  std::stop_token stop;
};

struct ChildEnd {
  int exit_status = 0;
  int signal = 0;  // that ended it, else 0
  bool ok() const { return exit_status == 0 && signal == 0; }
};

// A program running in a process group of its own, with pipes for its standard streams and no other
// descriptor of ours. It ends when this object does: the whole group is killed, and the child is
// reaped. It is also killed when the thread that started it ends, so even our own death by SIGKILL
// leaves no child. One thread uses a Child.
class Child {
 public:
  // Throws Errc::not_found or Errc::io if the program cannot be started.
  explicit Child(ChildOptions options);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The next line of its standard output without the newline, empty at the end; feeds its input and
  // drains its standard error meanwhile. Throws Interrupted if stopped, Errc::unverified after the
  // timeout; the group is dead then.
  std::optional<std::string> read_line();
  // Reads what is left, waits until it has ended.
  ChildEnd wait();
  // The last few KiB of its standard error.
  const std::string& error_text() const;
  pid_t pid() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace duckback
