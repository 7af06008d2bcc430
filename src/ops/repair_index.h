#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "repo/repository.h"

namespace duckback {

struct RepairOptions {
  bool dry_run = false;
  std::function<void(const std::string&)> step;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // packs
  std::stop_token stop;
};

struct RepairReport {
  std::uint64_t packs = 0;
  std::uint64_t chunks = 0;
  std::vector<std::string> unreadable;  // packs, and why: they are in no index now
  std::vector<std::string> indexes;     // the new ones
  std::uint64_t superseded = 0;         // indexes that are void now; prune removes them
};

// Makes the index anew from what the packs say themselves. The old index counts until the new one
// is complete; indexes that are put meanwhile stay. Memory: one index object.
RepairReport repair_index(const Repository& repository, const RepairOptions& options);

}  // namespace duckback
