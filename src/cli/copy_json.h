#pragma once

#include <string>

#include "ops/catalog.h"
#include "ops/forget.h"

namespace duckback {

// What `list` and `forget` print with --json: an array with an object for each copy, in one line.
// docs/json.md lists the members.
std::string to_json(const Catalog& catalog);
std::string to_json(const ForgetReport& report);

}  // namespace duckback
