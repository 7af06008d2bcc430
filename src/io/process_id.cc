#include "io/process_id.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/error.h"
#include "io/file.h"

namespace duckback {
namespace {

std::string read_proc(const std::string& path) {
  File file = File::open_read(path);
  std::string text(4096, '\0');
  text.resize(file.read_at(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
  return text;
}

// Field 22 of /proc/PID/stat, counted behind the program's name, which may hold anything.
std::optional<std::uint64_t> start_in(const std::string& text) {
  std::size_t at = text.rfind(')');
  if (at == std::string::npos) return std::nullopt;
  constexpr int kFieldsBetween = 20;
  for (int field = 0; field < kFieldsBetween; ++field) {
    at = text.find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
  }
  std::uint64_t ticks = 0;
  auto [end, error] = std::from_chars(text.data() + at + 1, text.data() + text.size(), ticks);
  return error == std::errc() ? std::optional(ticks) : std::nullopt;
}

// Ended, and whoever started it has not asked for its status yet.
bool is_zombie(const std::string& text) {
  std::size_t at = text.rfind(')');
  return at != std::string::npos && at + 2 < text.size() && text[at + 2] == 'Z';
}

}  // namespace

std::optional<ProcessId> this_process() {
  try {
    std::optional<FileStat> space = stat_path("/proc/self/ns/pid");
    std::optional<FileStat> clock = stat_path("/proc/self/ns/time");
    std::string stat = read_proc("/proc/self/stat");
    // A /proc of another namespace has other numbers.
    if (!stat.starts_with(fmt::format("{} ", ::getpid()))) return std::nullopt;
    std::optional<std::uint64_t> started = start_in(stat);
    std::string boot = read_proc("/proc/sys/kernel/random/boot_id");
    while (!boot.empty() && boot.back() == '\n') boot.pop_back();
    if (!space || !started || boot.empty()) return std::nullopt;
    return ProcessId{::getpid(), *started, boot, space->inode, clock ? clock->inode : 0};
  } catch (const Error&) {
    return std::nullopt;  // No /proc.
  }
}

bool has_ended(const ProcessId& process) {
  std::optional<ProcessId> self = this_process();
  if (!self || process.pid <= 0 || process.boot != self->boot || process.space != self->space ||
      process.clock != self->clock) {
    return false;
  }
  // Asked of the kernel: /proc may hide the processes of others, or be that of another namespace.
  if (::kill(process.pid, 0) != 0 && errno == ESRCH) return true;
  try {
    std::string stat = read_proc(fmt::format("/proc/{}/stat", process.pid));
    std::optional<std::uint64_t> started = start_in(stat);
    return started && (*started != process.started || is_zombie(stat));
  } catch (const Error&) {
    return false;
  }
}

}  // namespace duckback
