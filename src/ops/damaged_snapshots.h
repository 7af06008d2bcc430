#pragma once

#include <set>
#include <string>
#include <vector>

#include "ops/find_snapshot.h"

namespace duckback {

// The ids of those `snapshots` that need what only packs have that are missing or were found
// damaged. Cheap as long as there are no such packs; else every map is walked, each node once.
std::set<std::string> damaged_snapshots(const Repository& repository,
                                        const std::vector<FoundSnapshot>& snapshots);

}  // namespace duckback
