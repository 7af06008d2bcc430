#pragma once

#include "ops/copy.h"

namespace duckback {

// Brings a copy from a bucket (`options.source`) to this machine, under the rules of copy() for the
// destination; in a folder it keeps its name. It is compared with its record before it gets its
// name. Throws Errc::not_found if there is none, Errc::refused if it has no record,
// Errc::unverified if it is not what duckback wrote.
CopyResult fetch_copy(const CopyOptions& options);

}  // namespace duckback
