#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/file.h"

namespace duckback {

struct Process {
  pid_t pid = 0;        // 0: in another pid namespace, or on another host
  std::string program;  // its executable's name, "" if unknown
};

enum class LockKind {
  any,      // somebody reads or writes the file
  writing,  // somebody may write it
};
// Who holds a lock on the file (DuckDB takes one for as long as it has a database open). Asks with
// F_GETLK on `file` itself: takes no lock, so releases none.
struct LockState {
  std::optional<Process> holder;
  bool known = true;  // false: the system did not tell, as on some filesystems
};
LockState look_at_lock(const File& file, LockKind kind);
// The holder as far as it is known, for who does not rely on there being none.
std::optional<Process> find_lock_holder(const File& file, LockKind kind);

struct Openers {
  std::vector<Process> writers;  // those seen with the file open for writing, without ourselves
  bool all_seen = true;          // every process of this machine could be looked at
};
// Who has the file open for writing, by /proc/PID/fd.
Openers find_openers(const FileStat& file);

// "python3 (pid 123)".
std::string to_text(const Process& process);

}  // namespace duckback
