#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace duckback {

// --key-file and --key-env: the ENCRYPTION_KEY of a database. Never an argument itself, for those
// are public on a machine.
struct KeyOption {
  std::string file;
  std::string variable;

  void declare(CLI::App& arguments);
  // Throws if the file or variable that was named is not there, or empty.
  std::optional<std::string> read() const;
};

}  // namespace duckback
