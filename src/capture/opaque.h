#pragma once

#include "capture/round.h"

namespace duckback {

// An encrypted database without its key shows no iteration, no free list and no active slot, nor
// does one whose headers are damaged; and beside a WAL that cannot be read nothing is proven. The
// whole file is copied, both slots with it, and read again until nothing differs any more.
//
// Returns the grade, empty if the database did not rest before the deadline. `file_bytes` and the
// WAL's sizes go into `image`.
std::optional<Grade> capture_opaque(CaptureState& state, Image& image);

}  // namespace duckback
