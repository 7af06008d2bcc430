#pragma once

#include <string_view>

namespace duckback {

// Whether a condition of the capture is switched off, to prove that it is needed. Only in builds
// made for the mutation run; elsewhere nothing can switch one off.
#ifdef DUCKBACK_MUTATIONS
bool mutated(std::string_view condition);
#else
constexpr bool mutated(std::string_view) { return false; }
#endif

}  // namespace duckback
