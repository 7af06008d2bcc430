#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"

namespace duckback::test {

// The message of the Error that `body` throws, which must have this code.
inline std::string error_of(Errc code, const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(name_of(error.code()), name_of(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

}  // namespace duckback::test
