#pragma once

#include <optional>
#include <string>

#include "cli/command.h"
#include "repo/repository.h"

namespace duckback {

// Where the repository is, and where its password comes from: options, else the environment
// (DUCKBACK_REPO, DUCKBACK_PASSWORD, DUCKBACK_PASSWORD_FILE, DUCKBACK_PASSWORD_COMMAND), else, on a
// terminal, a question. A password is never an argument.
struct RepoOption {
  std::string repo;
  std::string password_file;
  std::string password_command;

  void declare(CLI::App& arguments);
  // The address. Throws Errc::no_repository if none is named.
  std::string address() const;
  // As given, without asking.
  std::optional<std::string> password() const;
  // A new password: as given, else asked for, twice.
  std::string new_password(const std::string& prompt) const;
  // Throws as Repository::open().
  Repository open(const Session& session) const;
  // The same; where no repository is named, on a terminal, one is made in ~/.duckback/repo.
  Repository open_or_make(const Session& session) const;
};

// Asks on the terminal, without echo. Throws Errc::invalid without a terminal.
std::string ask_password(const std::string& prompt);

}  // namespace duckback
