#pragma once

#include <functional>
#include <span>
#include <stop_token>

namespace CLI {
class App;
}

namespace duckback {

// What every command is given: flags of the frame, and the wish to stop (Ctrl-C).
struct Invocation {
  bool json = false;
  bool quiet = false;
  bool stats = false;
  std::stop_token stop;
};

// Runs a command whose arguments were parsed; returns the exit status.
using Run = std::function<int()>;

// One file a command, cli/cmd_NAME.cc: it declares its arguments and returns what to do with them.
struct Command {
  const char* name;
  const char* summary;
  Run (*declare)(CLI::App& arguments, const Invocation& invocation);
  // What is as it was, and how to go on, after Ctrl-C.
  const char* when_stopped = "nothing was changed";
};

// All of them, in the order of the help; the only list.
std::span<const Command> commands();

}  // namespace duckback
