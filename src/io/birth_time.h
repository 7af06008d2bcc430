#pragma once

#include <cstdint>
#include <optional>

#include "io/file.h"

namespace duckback {

// When the file was made, in ns since the epoch, links followed; empty where nobody tells. Another
// file has another one, though it may have the inode of one that was removed.
std::optional<std::int64_t> birth_ns(const fs::path& path);

}  // namespace duckback
