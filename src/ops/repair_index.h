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

struct UnreadablePack {
  std::string text;   // what is wrong with it
  bool kept = false;  // the old index still said what is in it, and so does the new one
};

struct RepairReport {
  std::uint64_t packs = 0;
  std::uint64_t chunks = 0;
  std::vector<UnreadablePack> unreadable;
  std::vector<std::string> indexes;  // the new ones
  std::uint64_t superseded = 0;      // indexes that are void now; prune removes them
};

// Makes the index anew from what the packs say themselves. The old index counts until the new one
// is complete; indexes that are put meanwhile stay. Of a pack whose directory is damaged what the
// old one says is kept. Memory: one index object.
RepairReport repair_index(const Repository& repository, const RepairOptions& options);

}  // namespace duckback
