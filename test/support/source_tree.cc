#include "test/support/source_tree.h"

namespace duckback {

std::filesystem::path source_tree() { return DUCKBACK_SOURCE_TREE; }

}  // namespace duckback
