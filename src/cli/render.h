#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "capture/capture.h"
#include "cli/command.h"

namespace duckback {

// Results go to standard output, everything else to standard error. Text goes through printable();
// a line break in it is one of a name.

// A line of the result. Throws Errc::io if it cannot be written.
void print_result(std::string_view line);
// The same, byte for byte: the path of a copy, which scripts use, and JSON.
void print_exact(std::string_view line);
// The same, in one line; of an object, with --stats, also what was exchanged with buckets so far.
void print_json(nlohmann::json line, const Invocation& invocation);
// What was exchanged with buckets, if anything was.
void print_traffic();
// Something a person wants to know.
void print_note(std::string_view line);
void print_warning(std::string_view text);
// `message`, or with `json` the object {"message_type":"exit_error","code","exit","message"}.
void print_error(std::string_view program, const Error& error, bool json);

// Columns of text, each as wide as its widest cell; the first row is the heading.
struct Table {
  enum class Align { left, right };
  std::vector<Align> columns;
  std::vector<std::vector<std::string>> rows;
};
void print_table(const Table& table);

// How far a capture is, with rate and time left, on a terminal only; the line is gone afterwards.
class ProgressLine {
 public:
  explicit ProgressLine(bool wanted);
  ~ProgressLine() { clear(); }
  void update(const CaptureProgress& progress);
  // What is being done, without saying how far.
  void say(std::string_view what);
  void clear();

 private:
  void show(std::string_view line);
  bool enabled_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point updated_;
};

}  // namespace duckback
