#include "cli/key_option.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "base/error.h"
#include "io/file.h"

namespace duckback {

void KeyOption::declare(CLI::App& arguments) {
  CLI::Option* from_file = arguments.add_option(
      "--key-file", file, "File that holds the encryption key of the database (one line)");
  arguments
      .add_option("--key-env", variable,
                  "Environment variable that holds the encryption key of the database")
      ->excludes(from_file);
}

std::optional<std::string> KeyOption::read() const {
  if (!variable.empty()) {
    const char* value = std::getenv(variable.c_str());
    if (value == nullptr || *value == '\0') {
      throw Error(Errc::invalid, "--key-env: the environment has no {}", variable);
    }
    return value;
  }
  if (file.empty()) return std::nullopt;
  std::string key = read_text(file, 64 * 1024);
  if (!key.empty() && key.back() == '\n') key.pop_back();
  if (!key.empty() && key.back() == '\r') key.pop_back();
  if (key.empty()) throw Error(Errc::invalid, "--key-file: {} is empty", file);
  return key;
}

}  // namespace duckback
