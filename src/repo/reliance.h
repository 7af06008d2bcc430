#pragma once

#include <optional>
#include <set>
#include <string>

#include "repo/repository.h"

namespace duckback {

// What a snapshot that is being made relies on: packs that have its chunks, and the snapshot that
// it was compared to, which protects what did not change (docs/format.md, "A backup").
class Reliance {
 public:
  explicit Reliance(Store& store) : store_(store) {}

  // Packs in which nothing may be looked for, listed before the index is opened: those that prune
  // marked, those found damaged, and those that holds() found to be gone though an index lists
  // them.
  std::set<std::string> absent() const;
  // `snapshot_key` "" for none.
  void rely_on(std::set<std::string> packs, std::string snapshot_key);
  // Whether all of it is there, and nothing of it is about to be removed. Asked before the snapshot
  // is created, so that none is made in vain, and after: then it holds for good.
  bool holds();

 private:
  bool finds_packs();

  Store& store_;
  std::set<std::string> lost_;
  std::set<std::string> packs_;
  std::string snapshot_key_;
};

}  // namespace duckback
