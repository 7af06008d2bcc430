#pragma once

#include <nlohmann/json_fwd.hpp>

#include "ops/catalog.h"
#include "ops/forget.h"

namespace duckback {

// What `list` and `forget` print with --json: an array with an object for each copy.
// docs/json.md lists the members.
nlohmann::json to_json(const Catalog& catalog);
nlohmann::json to_json(const ForgetReport& report);

}  // namespace duckback
