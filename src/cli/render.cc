#include "cli/render.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/text.h"
#include "store/traffic.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;

void write_line(std::FILE* to, std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), to);
  std::fputc('\n', to);
  std::fflush(to);
}

// https://no-color.org
bool in_colour() {
  const char* no_color = std::getenv("NO_COLOR");
  return ::isatty(STDERR_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

std::string coloured(std::string_view code, std::string_view text) {
  return in_colour() ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

// Characters, not bytes: a continuation byte of UTF-8 takes no room.
std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return width;
}

std::size_t terminal_width() {
  struct winsize size {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

void print_result(std::string_view line) { print_exact(printable(line)); }

void print_exact(std::string_view line) {
  errno = 0;
  write_line(stdout, line);
  if (std::ferror(stdout) == 0 || errno == EPIPE) return;
  // A full disk behind it is not the one that the command writes to.
  throw Error(Errc::io,
              "cannot write the result to standard output: {}; what the command did stays done",
              std::generic_category().message(errno));
}

void print_json(nlohmann::json line, const Invocation& invocation) {
  if (invocation.stats && line.is_object()) {
    Traffic traffic = process_traffic();
    line["traffic"] = {{"write_requests", traffic.write_requests},
                       {"read_requests", traffic.read_requests},
                       {"delete_requests", traffic.delete_requests},
                       {"bytes_sent", traffic.bytes_sent},
                       {"bytes_received", traffic.bytes_received}};
  }
  // Paths are bytes: what is no UTF-8 becomes a replacement character.
  print_exact(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (invocation.stats && !line.is_object()) print_traffic();
}

void print_traffic() {
  Traffic traffic = process_traffic();
  if (traffic.requests() == 0) return;
  print_note(
      fmt::format("Requests: {} PUT, POST or LIST; {} GET or HEAD; {} DELETE; {} sent, {} received",
                  traffic.write_requests, traffic.read_requests, traffic.delete_requests,
                  format_bytes(traffic.bytes_sent), format_bytes(traffic.bytes_received)));
}

void print_note(std::string_view line) { write_line(stderr, printable(line)); }

void print_warning(std::string_view text) {
  write_line(stderr, fmt::format("{} {}", coloured("1;33", "warning:"), printable(text)));
}

void print_error(std::string_view program, const Error& error, bool json) {
  if (json) {
    nlohmann::json object = {{"message_type", "exit_error"},
                             {"code", name_of(error.code())},
                             {"exit", exit_status(error.code())},
                             {"message", error.what()}};
    write_line(stderr, object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  write_line(stderr, fmt::format("{}: {} {}", program, coloured("1;31", "error:"),
                                 printable(error.what())));
}

void print_table(const Table& table) {
  std::vector<std::vector<std::string>> rows = table.rows;
  for (auto& row : rows) {
    for (std::string& cell : row) cell = printable(cell);
  }
  std::vector<std::size_t> widths(table.columns.size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string padding(widths[i] - width_of(row[i]), ' ');
      if (i > 0) line += "  ";
      line += table.columns[i] == Table::Align::left ? row[i] + padding : padding + row[i];
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    print_exact(line);
  }
}

ProgressLine::ProgressLine(bool wanted)
    : enabled_(wanted && ::isatty(STDERR_FILENO) != 0), began_(std::chrono::steady_clock::now()) {}

void ProgressLine::update(const CaptureProgress& progress) {
  auto now = std::chrono::steady_clock::now();
  if (!enabled_ || now - updated_ < 100ms) return;
  updated_ = now;
  std::string line;
  if (!progress.waiting_for.empty()) {
    line = fmt::format("waiting for {}", progress.waiting_for);
  } else if (progress.blocks_total > 0) {
    double done =
        static_cast<double>(progress.blocks_done) / static_cast<double>(progress.blocks_total);
    double seconds = std::chrono::duration<double>(now - began_).count();
    constexpr int kBarWidth = 20;
    int filled = static_cast<int>(done * kBarWidth);
    line = fmt::format("[{}{}] {:3.0f} %  {}", std::string(static_cast<std::size_t>(filled), '#'),
                       std::string(static_cast<std::size_t>(kBarWidth - filled), '.'), done * 100,
                       format_bytes(progress.bytes_done));
    if (seconds > 0.5 && done > 0) {
      line += fmt::format("  {}/s", format_bytes(static_cast<std::uint64_t>(
                                        static_cast<double>(progress.bytes_done) / seconds)));
      line += fmt::format("  {} left",
                          format_duration(std::chrono::nanoseconds(
                              static_cast<std::int64_t>(seconds * (1 - done) / done * 1e9))));
    }
  }
  if (progress.round > 1) line += fmt::format("  (round {})", progress.round);
  show(line);
}

void ProgressLine::say(std::string_view what) {
  if (enabled_) show(what);
}

void ProgressLine::show(std::string_view line) {
  std::fprintf(stderr, "\r\x1b[K%s", printable(line).substr(0, terminal_width() - 1).c_str());
  std::fflush(stderr);
  shown_ = true;
}

void ProgressLine::clear() {
  if (!shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace duckback
