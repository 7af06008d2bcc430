#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/command.h"
#include "repo/collector.h"

namespace duckback {

// Runs prune, showing what it does: for `prune` and `forget --prune`.
PruneReport run_prune(const Repository& repository, PruneOptions options,
                      const Invocation& invocation);
void print(const PruneReport& report, bool dry_run);
// docs/json.md lists the members.
nlohmann::json to_json(const PruneReport& report, bool dry_run);

}  // namespace duckback
