#pragma once

#include <optional>
#include <string>

#include "cli/command.h"
#include "repo/repository.h"

namespace duckback {

// A password by file or by command. Never an argument itself, for those are public on a machine.
struct PasswordSource {
  std::string file;
  std::string command;

  // --PREFIXpassword-file and --PREFIXpassword-command.
  void declare(CLI::App& arguments, const std::string& prefix, const std::string& of = "");
  std::optional<std::string> read() const;
};

// Where the repository is, and where its password comes from: options, else the environment
// (DUCKBACK_REPO, DUCKBACK_PASSWORD, DUCKBACK_PASSWORD_FILE, DUCKBACK_PASSWORD_COMMAND), else, on a
// terminal, a question.
struct RepoOption {
  std::string repo;
  PasswordSource source;

  void declare(CLI::App& arguments);
  // Whether an option, the environment or the usual place names one.
  bool named() const;
  // The address. Throws Errc::no_repository if none is named.
  std::string address() const;
  // As given, without asking.
  std::optional<std::string> password() const;
  // A new password: as given, else asked for, twice.
  std::string new_password(const std::string& prompt) const;
  // Throws as Repository::open(). Of one in a bucket, what was fetched before comes from
  // ~/.cache/duckback.
  Repository open(const Invocation& invocation) const;
  // The same without that, for who shall find out what is in the bucket.
  Repository open_past_cache(const Invocation& invocation) const;
  // open(); where no repository is named, on a terminal, one is made in ~/.duckback/repo.
  Repository open_or_make(const Invocation& invocation) const;

 private:
  Repository open(std::shared_ptr<Store> store) const;
};

// Whether `address`, a folder or one in a bucket, is that of a repository.
bool is_repository(const std::string& address, const std::stop_token& stop);

// Asks on the terminal, without echo. Throws Errc::invalid without a terminal.
std::string ask_password(const std::string& prompt);
// The same twice. Throws Errc::invalid if they differ.
std::string ask_new_password(const std::string& prompt);

}  // namespace duckback
