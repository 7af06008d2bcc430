#pragma once

#include <string>

namespace duckback {

// This machine's name, as gethostname(2) has it.
std::string host_name();
// The user this process acts for, or its number if it has no name.
std::string user_name();

}  // namespace duckback
