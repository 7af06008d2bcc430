#pragma once

#include "repo/session.h"

namespace duckback {

// Packs that a backup put which was stopped on this machine (killed, or by an error) before it put
// their index get one, so that what it stored is found and not stored again; its session is
// removed. Only where a session tells of such a backup are packs listed. Returns how many packs.
std::uint64_t index_leftovers(const Repository& repository, const Session& own);

}  // namespace duckback
