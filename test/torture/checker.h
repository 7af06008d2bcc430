#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "writer.h"

namespace duckback::torture {

// Somebody was told that these commits are in.
struct Acknowledged {
  std::uint64_t generation = 0;
  std::vector<std::uint64_t> steps;  // by thread
};

struct Verdict {
  bool good = true;
  std::string reason{};
};

// Opens an image with the writer's own library, read-write, and says whether it is a state that the
// load once had, and has all that was acknowledged. With `settle` the WAL is folded in, the image
// closed, opened and judged again. Changes the image.
Verdict check(const Library& library, const Form& form, const std::string& load,
              const Acknowledged& acknowledged, bool settle);

}  // namespace duckback::torture
