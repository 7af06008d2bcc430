#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "io/process_id.h"

namespace duckback {

// What an object says of the process that put it, so that others can tell whether that has ended
// (docs/format.md, "A backup, and what a crash leaves"): host and pid, and, where /proc tells, the
// rest of a ProcessId.
void add_this_process(nlohmann::json& json);
// Nothing where the rest is missing. Throws nlohmann::json::exception for what is none.
std::optional<ProcessId> process_in(const nlohmann::json& json);

}  // namespace duckback
