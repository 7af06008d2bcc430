#pragma once

#include <chrono>

namespace CLI {
class App;
}

namespace duckback {

// --timeout: how long to try for a consistent image.
struct TimeoutOption {
  double seconds = 120;

  void declare(CLI::App& arguments);
  // Throws if it is no number from 0 to 10 million.
  std::chrono::milliseconds read() const;
};

}  // namespace duckback
