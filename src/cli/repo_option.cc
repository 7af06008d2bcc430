#include "cli/repo_option.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/error.h"
#include "base/hash.h"
#include "cli/render.h"
#include "cli/stop.h"
#include "io/child.h"
#include "ops/bucket_address.h"
#include "store/cached_store.h"
#include "store/open_store.h"

namespace duckback {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

constexpr const char* kUsualPlace = ".duckback/repo";

std::string first_line(std::string text) {
  text.resize(std::min(text.find('\n'), text.size()));
  if (!text.empty() && text.back() == '\r') text.pop_back();
  return text;
}

std::string from_file(const std::string& file) {
  std::string password = first_line(read_text(file, 64 * 1024));
  if (password.empty()) throw Error(Errc::invalid, "the password file {} is empty", file);
  return password;
}

std::string from_command(const std::string& command) {
  ChildOptions options;
  options.program = "/bin/sh";
  options.arguments = {"-c", command};
  options.timeout = std::chrono::minutes(5);
  Child child(options);
  std::string password = child.read_line().value_or("");
  ChildEnd end = child.wait();
  if (!end.ok() || password.empty()) {
    throw Error(Errc::invalid, "the password command ended with exit status {} and {} password",
                end.exit_status, password.empty() ? "no" : "a");
  }
  return password;
}

fs::path home() {
  std::string home = environment("HOME");
  if (home.empty()) throw Error(Errc::no_repository, "no repository is named: give --repo");
  return home;
}

// As the XDG base directory specification says; nothing without a home.
std::optional<fs::path> cache_folder() {
  std::string folder = environment("XDG_CACHE_HOME");
  if (fs::path(folder).is_absolute()) return fs::path(folder) / "duckback";
  std::string home_folder = environment("HOME");
  if (home_folder.empty()) return std::nullopt;
  return fs::path(home_folder) / ".cache" / "duckback";
}

}  // namespace

std::string ask_password(const std::string& prompt) {
  if (::isatty(STDIN_FILENO) == 0) {
    throw Error(Errc::invalid,
                "a password is needed: give --password-file, --password-command or "
                "DUCKBACK_PASSWORD");
  }
  std::cerr << prompt << ": " << std::flush;
  // Stopped by Ctrl-Z it would leave the shell a terminal that shows nothing.
  auto* on_stop = ::signal(SIGTSTP, SIG_IGN);
  termios before{};
  ::tcgetattr(STDIN_FILENO, &before);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  // The terminal must not stay silent when somebody changes their mind.
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  while (!StopOnSignal::received() && ::poll(&input, 1, 100) <= 0) {
  }
  std::string password;
  if (!StopOnSignal::received()) std::getline(std::cin, password);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  ::signal(SIGTSTP, on_stop);
  std::cerr << "\n";
  if (StopOnSignal::received()) throw Interrupted();
  if (password.empty()) throw Error(Errc::invalid, "no password was given");
  return password;
}

std::string ask_new_password(const std::string& prompt) {
  std::string first = ask_password(prompt);
  if (ask_password("The same again") != first) {
    throw Error(Errc::invalid, "the two passwords differ");
  }
  return first;
}

bool is_repository(const std::string& address, const std::stop_token& stop) {
  try {
    return is_repository(*open_store(address, stop));
  } catch (const Error& error) {
    if (error.code() != Errc::no_repository) throw;
    return false;  // No such folder.
  }
}

void PasswordSource::declare(CLI::App& arguments, const std::string& prefix,
                             const std::string& of) {
  std::string password = prefix == "new-" ? "new password" : "password of an encrypted repository";
  if (!of.empty()) password = "password of " + of;
  CLI::Option* from_file = arguments.add_option("--" + prefix + "password-file", file,
                                                "File with the " + password + " (one line)");
  arguments
      .add_option("--" + prefix + "password-command", command,
                  "Shell command that prints the " + password)
      ->excludes(from_file);
}

std::optional<std::string> PasswordSource::read() const {
  if (!file.empty()) return from_file(file);
  if (!command.empty()) return from_command(command);
  return std::nullopt;
}

void RepoOption::declare(CLI::App& arguments) {
  arguments
      .add_option("-r,--repo", repo,
                  "The repository: a folder, or s3://BUCKET/PREFIX (else $DUCKBACK_REPO)")
      ->type_name("REPO");
  source.declare(arguments, "");
}

bool RepoOption::named() const {
  if (!repo.empty() || !environment("DUCKBACK_REPO").empty()) return true;
  std::string home_folder = environment("HOME");
  return !home_folder.empty() && stat_path(fs::path(home_folder) / kUsualPlace);
}

std::string RepoOption::address() const {
  std::string address = repo.empty() ? environment("DUCKBACK_REPO") : repo;
  if (address.empty()) {
    fs::path usual = home() / kUsualPlace;
    if (stat_path(usual)) return usual.string();
    throw Error(Errc::no_repository,
                "no repository is named: give --repo or set DUCKBACK_REPO, and make it with "
                "`duckback init`");
  }
  return address;
}

std::optional<std::string> RepoOption::password() const {
  if (std::optional<std::string> given = source.read()) return given;
  if (std::string given = environment("DUCKBACK_PASSWORD"); !given.empty()) return given;
  if (std::string file = environment("DUCKBACK_PASSWORD_FILE"); !file.empty()) {
    return from_file(file);
  }
  if (std::string command = environment("DUCKBACK_PASSWORD_COMMAND"); !command.empty()) {
    return from_command(command);
  }
  return std::nullopt;
}

std::string RepoOption::new_password(const std::string& prompt) const {
  if (std::optional<std::string> given = password()) return *given;
  return ask_new_password(prompt);
}

Repository RepoOption::open_past_cache(const Invocation& invocation) const {
  return open(open_store(address(), invocation.stop));
}

Repository RepoOption::open(const Invocation& invocation) const {
  std::shared_ptr<Store> store = open_store(address(), invocation.stop);
  std::optional<fs::path> folder = is_in_bucket(address()) ? cache_folder() : std::nullopt;
  if (!folder) return open(std::move(store));
  Blake3 hash;
  hash.update(as_bytes(store->name()));
  std::string of_this_bucket = to_hex(hash.digest()).substr(0, 32);
  return open(std::make_shared<CachedStore>(std::move(store), *folder / of_this_bucket));
}

Repository RepoOption::open(std::shared_ptr<Store> store) const {
  std::optional<std::string> given = password();
  if (!given && ::isatty(STDIN_FILENO) != 0 && read_config(*store).encrypted) {
    given = ask_password(fmt::format("Password of {}", store->name()));
  }
  return Repository::open(std::move(store), given);
}

Repository RepoOption::open_or_make(const Invocation& invocation) const {
  bool is_named = !repo.empty() || !environment("DUCKBACK_REPO").empty();
  fs::path usual = is_named ? fs::path() : home() / kUsualPlace;
  if (is_named || stat_path(usual) || ::isatty(STDERR_FILENO) == 0) return open(invocation);
  print_note(fmt::format("No repository is named: making one in {}", usual.string()));
  return Repository::create(make_store(usual.string(), invocation.stop), password());
}

}  // namespace duckback
