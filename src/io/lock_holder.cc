#include "io/lock_holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/error.h"

namespace duckback {
namespace {

std::string program_of(pid_t pid) {
  char target[4096];
  std::string link = fmt::format("/proc/{}/exe", pid);
  ssize_t count = ::readlink(link.c_str(), target, sizeof target);
  if (count > 0) return fs::path(std::string(target, static_cast<std::size_t>(count))).filename();
  // A process of another user: its name is still public.
  File comm = File::open_read(fmt::format("/proc/{}/comm", pid));
  std::string name(64, '\0');
  name.resize(comm.read_at(0, {reinterpret_cast<std::uint8_t*>(name.data()), name.size()}));
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

Process describe(pid_t pid) {
  if (pid <= 0) return {};
  try {
    return {pid, program_of(pid)};
  } catch (const Error&) {
    return {pid, ""};  // It ended meanwhile.
  }
}

// The descriptor allows writing, by the octal "flags:" line of its fdinfo.
bool is_writable(pid_t pid, const char* descriptor) {
  File info = File::open_read(fmt::format("/proc/{}/fdinfo/{}", pid, descriptor));
  std::string text(256, '\0');
  text.resize(info.read_at(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
  std::size_t at = text.find("flags:");
  if (at == std::string::npos) return true;
  at = text.find_first_of("01234567", at);
  unsigned long flags = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), flags, 8);
  return (flags & O_ACCMODE) != O_RDONLY;
}

// Whether a process has the file open for writing; empty if it may not be looked at.
std::optional<bool> has_open_for_writing(pid_t pid, const FileStat& file) {
  std::string folder = fmt::format("/proc/{}/fd", pid);
  DIR* entries = ::opendir(folder.c_str());
  if (entries == nullptr) {
    if (errno == ENOENT || errno == ESRCH) return false;
    return std::nullopt;
  }
  std::optional<bool> found = false;
  while (const dirent* entry = ::readdir(entries)) {
    struct stat raw;
    if (::fstatat(::dirfd(entries), entry->d_name, &raw, 0) != 0) continue;
    if (raw.st_dev != file.device || raw.st_ino != file.inode) continue;
    try {
      if (!is_writable(pid, entry->d_name)) continue;
      found = true;
      break;
    } catch (const Error&) {
      continue;  // Closed meanwhile.
    }
  }
  ::closedir(entries);
  return found;
}

}  // namespace

LockState look_at_lock(const File& file, LockKind kind) {
  struct flock lock {};
  // What would keep us from this lock: reading is kept out by writers only.
  lock.l_type = kind == LockKind::writing ? F_RDLCK : F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(file.descriptor(), F_GETLK, &lock) != 0) return {.holder = {}, .known = false};
  if (lock.l_type == F_UNLCK) return {};
  return {.holder = describe(lock.l_pid)};
}

std::optional<Process> find_lock_holder(const File& file, LockKind kind) {
  return look_at_lock(file, kind).holder;
}

Openers find_openers(const FileStat& file) {
  Openers openers;
  DIR* entries = ::opendir("/proc");
  if (entries == nullptr) {
    openers.all_seen = false;
    return openers;
  }
  while (const dirent* entry = ::readdir(entries)) {
    std::string_view text = entry->d_name;
    pid_t pid = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || end != text.data() + text.size() || pid == ::getpid()) continue;
    std::optional<bool> open = has_open_for_writing(pid, file);
    if (!open) openers.all_seen = false;
    if (open.value_or(false)) openers.writers.push_back(describe(pid));
  }
  ::closedir(entries);
  return openers;
}

std::string to_text(const Process& process) {
  if (process.pid == 0) return "a process outside this container or on another host";
  if (process.program.empty()) return fmt::format("pid {}", process.pid);
  return fmt::format("{} (pid {})", process.program, process.pid);
}

}  // namespace duckback
