#pragma once

#include <filesystem>

namespace duckback {

// The folder of this project's sources. Not from __FILE__: ccache makes that relative.
std::filesystem::path source_tree();

}  // namespace duckback
