#pragma once

#include <functional>

#include "ops/find_snapshot.h"

namespace duckback {

// Replaces a snapshot by one that `change` was applied to, under a new id; the id it had first is
// its `original`. The old one goes when the new one is there, so that killed in between both are.
// Returns the old one if nothing changed. Throws Errc::conflict, having made nothing, if the old
// one was forgotten or rewritten meanwhile.
FoundSnapshot rewrite_snapshot(const Repository& repository, const FoundSnapshot& found,
                               const std::function<void(Snapshot&)>& change);

}  // namespace duckback
