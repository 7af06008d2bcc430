#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace duckback {

// The words that an option takes, in the order of its help.
template <class Value>
using Choices = std::vector<std::pair<std::string_view, Value>>;

// What `word` stands for. Throws Errc::invalid with the words there are.
template <class Value>
Value choose(std::string_view option, const Choices<Value>& choices, std::string_view word) {
  std::string words;
  for (const auto& [name, value] : choices) {
    if (name == word) return value;
    words += (words.empty() ? "" : ", ") + std::string(name);
  }
  throw Error(Errc::invalid, "{}: there is no '{}'; give one of: {}", option, word, words);
}

}  // namespace duckback
