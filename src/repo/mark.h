#pragma once

#include <set>
#include <string>
#include <vector>

#include "repo/repository.h"

namespace duckback {

// What prune says about a pack (docs/format.md, "Prune"): a mark is about to be removed, a
// tombstone was. Backups treat both as absent.
struct Mark {
  std::string pack_id;
  SystemTime modified;  // the store's clock
};
struct Marks {
  std::vector<Mark> marks;
  std::vector<Mark> tombstones;
  std::set<std::string> packs() const;  // of both
};
std::set<std::string> ids_of(const std::vector<Mark>& marks);
Marks list_marks(Store& store);

void put_mark(const Repository& repository, const std::string& pack_id);
void remove_mark(Store& store, const std::string& pack_id);
void remove_marks(Store& store, const std::vector<std::string>& pack_ids);
void put_tombstone(const Repository& repository, const std::string& pack_id);
void remove_tombstone(Store& store, const std::string& pack_id);

}  // namespace duckback
