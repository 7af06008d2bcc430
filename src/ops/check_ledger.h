#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "repo/repository.h"

namespace duckback {

// Which packs were read and found good, and when: objects `checks/TIME-ID` (docs/format.md).
// When, by pack; those of `present` only. What cannot be read counts as never.
std::map<std::string, SystemTime> read_check_ledger(const Repository& repository,
                                                    const std::set<std::string>& present);
// Adds a run to it, and removes older objects that tell nothing any more.
void add_to_check_ledger(const Repository& repository, SystemTime time,
                         const std::vector<std::string>& good_packs,
                         const std::set<std::string>& present);

}  // namespace duckback
