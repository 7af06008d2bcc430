#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace duckback {

// A process, so named that another one can be told from it for ever: by its number, its start, and
// what its number counts in (a boot of one machine, and one pid namespace there).
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t started = 0;  // clock ticks since the boot
  std::string boot;           // the kernel's random id of this boot
  std::uint64_t space = 0;    // inode of the pid namespace
  std::uint64_t clock = 0;    // inode of the time namespace, which `started` is told in; 0: none

  bool operator==(const ProcessId&) const = default;
};

// This process; empty where the system does not tell.
std::optional<ProcessId> this_process();
// True only if it is certain: same boot and same namespaces as ours, and no process of that number,
// or one that started at another time.
bool has_ended(const ProcessId& process);

}  // namespace duckback
