#include "io/birth_time.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace duckback {

std::optional<std::int64_t> birth_ns(const fs::path& path) {
  struct statx raw;
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_BTIME, &raw) != 0) return std::nullopt;
  if ((raw.stx_mask & STATX_BTIME) == 0) return std::nullopt;
  return std::int64_t{raw.stx_btime.tv_sec} * 1'000'000'000 + raw.stx_btime.tv_nsec;
}

}  // namespace duckback
