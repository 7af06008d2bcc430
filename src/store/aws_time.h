#pragma once

#include <string_view>

#include "base/text.h"

namespace duckback {

// A UTC time as AWS and its likes write it: "2026-11-22T23:45:01Z", with any fraction of a second
// (beyond milliseconds it is dropped), or with "+00:00". Throws Errc::unavailable for another.
SystemTime parse_aws_time(std::string_view text);

}  // namespace duckback
