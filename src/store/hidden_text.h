#pragma once

#include <string>
#include <utility>

namespace duckback {

// A text that nobody must see: nothing prints or converts it, and it is wiped when it goes.
class HiddenText {
 public:
  HiddenText() = default;
  explicit HiddenText(std::string text) : text_(std::move(text)) {}
  HiddenText(const HiddenText&) = default;
  HiddenText(HiddenText&& other) noexcept : text_(std::exchange(other.text_, {})) {}
  HiddenText& operator=(HiddenText other) noexcept {
    text_.swap(other.text_);
    return *this;
  }
  ~HiddenText();

  bool empty() const { return text_.empty(); }
  // For who sends it or computes with it.
  const std::string& reveal() const { return text_; }
  bool operator==(const HiddenText&) const = default;

 private:
  std::string text_;
};

}  // namespace duckback
