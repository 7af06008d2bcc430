#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "worker.h"

namespace duckback::torture {

// What a writer does to its database: threads of workers, and what happens beside them.
struct Load {
  struct Thread {
    std::vector<Worker> workers;         // one transaction each, in turn
    std::chrono::milliseconds pause{0};  // between transactions: half to one and a half of it
    std::uint64_t burst = 0;             // after so many transactions…
    std::chrono::milliseconds rest{0};   // …a rest
  };

  std::string name;
  std::string about;
  std::vector<std::string> settings{};  // for SET; what a version does not know is skipped
  std::vector<Thread> threads{};
  std::chrono::milliseconds checkpoint_every{0};  // explicit CHECKPOINT; 0: only DuckDB's own
  std::uint64_t checkpoint_commits = 0;           // the same after so many commits
  bool paused_reader = false;                     // a snapshot kept open while two checkpoints pass
  bool swaps = false;  // builds the file anew beside itself, renames it over
  std::uint64_t ballast_mib = 0;
  std::string since = "1.1";  // the oldest DuckDB it makes sense for
  // Deletes commit while a checkpoint runs: DuckDB 1.5 cannot recover that from a crash either
  // (its #25970, #25395), so an image is judged beside the image of a stopped writer.
  bool deletes_beside_checkpoints = false;
};

const std::vector<Load>& loads();
// Throws Errc::invalid for an unknown name. `generation` is that of the swapped file.
Load load_named(const std::string& name, std::uint64_t generation = 0);

}  // namespace duckback::torture
