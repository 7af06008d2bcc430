#include "cli/timeout_option.h"

#include <CLI/CLI.hpp>

#include "base/error.h"

namespace duckback {

void TimeoutOption::declare(CLI::App& arguments) {
  arguments.add_option("--timeout", seconds, "Seconds to try for a consistent image (default 120)")
      ->type_name("SECONDS");
}

std::chrono::milliseconds TimeoutOption::read() const {
  constexpr double kSecondsMost = 1e7;
  // Not a number is in no range.
  if (!(seconds >= 0 && seconds <= kSecondsMost)) {
    throw Error(Errc::invalid, "--timeout: give seconds from 0 to {:.0f}, not {}", kSecondsMost,
                seconds);
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

}  // namespace duckback
