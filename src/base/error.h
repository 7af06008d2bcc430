#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace duckback {

// Why something failed, as far as somebody acts on the difference.
enum class Errc {
  invalid,         // the request makes no sense: a bad flag, a bad value
  not_found,       // the named file does not exist
  refused,         // the request is clear and must not be done: not a database, target in use
  conflict,        // somebody else holds the file
  corrupt,         // bytes of a database contradict their checksum or their format
  unsupported,     // well-formed, but newer than this program, or needs something it lacks
  busy,            // the database changed too fast for a consistent image
  no_space,        // the disk is full
  unverified,      // the finished thing does not prove what it should
  no_repository,   // there is none where it was looked for
  wrong_password,  // the password opens no key of the repository
  no_snapshot,     // no snapshot, or more than one, fits the name
  damaged,         // an object of the repository is missing, or contradicts its name or format
  unavailable,     // the storage does not answer; may work when tried again
  io,              // the operating system refused
};

// The exit status of the process for a code; the only such table.
int exit_status(Errc code);
// The code's name, as in JSON.
std::string_view name_of(Errc code);

// The one exception of duckback. The message says what happened, to what, and what to do next.
class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& message) : std::runtime_error(message), code_(code) {}

  template <class... Args>
  Error(Errc code, fmt::format_string<Args...> format, Args&&... args) requires(sizeof...(Args) > 0)
      : Error(code, fmt::format(format, std::forward<Args>(args)...)) {}

  Errc code() const { return code_; }
  // The same error with what was being done in front.
  Error within(std::string_view activity) const {
    return Error(code_, fmt::format("{}: {}", activity, what()));
  }

 private:
  Errc code_;
};

// Thrown when a stop was asked for (SIGINT, SIGTERM). Not an Error, so that nothing files it
// as a finding or tries again.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

template <class Body>
decltype(auto) in_context(std::string_view activity, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw error.within(activity);
  }
}

}  // namespace duckback

// A mistake of ours, not of the world: stays on in release, aborts. Publishing is atomic, so
// aborting is safe.
#define DUCKBACK_ASSERT(condition) \
  ((condition) ? (void)0 : ::duckback::assertion_failed(#condition, __FILE__, __LINE__))

namespace duckback {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
}
