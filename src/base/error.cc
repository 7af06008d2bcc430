#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace duckback {

int exit_status(Errc code) {
  switch (code) {
    case Errc::not_found:
    case Errc::refused:
    case Errc::io:
      return 1;
    case Errc::invalid:
      return 2;
    case Errc::corrupt:
      return 4;
    case Errc::no_repository:
      return 10;
    case Errc::conflict:
      return 11;
    case Errc::wrong_password:
      return 12;
    case Errc::no_snapshot:
      return 13;
    case Errc::damaged:
      return 14;
    case Errc::busy:
      return 15;
    case Errc::unavailable:
      return 16;
    case Errc::no_space:
      return 17;
    case Errc::unverified:
      return 18;
    case Errc::unsupported:
      return 20;
  }
  return 1;
}

std::string_view name_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return "invalid";
    case Errc::not_found:
      return "not_found";
    case Errc::refused:
      return "refused";
    case Errc::conflict:
      return "conflict";
    case Errc::corrupt:
      return "corrupt";
    case Errc::unsupported:
      return "unsupported";
    case Errc::busy:
      return "busy";
    case Errc::no_space:
      return "no_space";
    case Errc::unverified:
      return "unverified";
    case Errc::no_repository:
      return "no_repository";
    case Errc::wrong_password:
      return "wrong_password";
    case Errc::no_snapshot:
      return "no_snapshot";
    case Errc::damaged:
      return "damaged";
    case Errc::unavailable:
      return "unavailable";
    case Errc::io:
      return "io";
  }
  return "failed";
}

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "duckback: internal error: %s does not hold (%s:%d). Please report it.\n",
               condition, file, line);
  std::abort();
}

}  // namespace duckback
