#include "capture/mutation.h"

#include <cstdlib>

namespace duckback {

#ifdef DUCKBACK_MUTATIONS
bool mutated(std::string_view condition) {
  const char* name = std::getenv("DUCKBACK_MUTATE");
  return name != nullptr && condition == name;
}
#endif

}  // namespace duckback
