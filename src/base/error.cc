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
    case Errc::conflict:
      return 11;
    case Errc::busy:
      return 15;
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
