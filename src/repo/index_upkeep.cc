#include "repo/index_upkeep.h"

#include <bit>
#include <map>

namespace duckback {
namespace {

constexpr std::size_t kLevelFilesMost = 8;

// Each level has eight times the entries of the one below. What is full is in none.
std::optional<int> level_of(const IndexFile& file) {
  if (file.entries() >= kIndexEntriesMost / 2) return std::nullopt;
  return static_cast<int>(std::bit_width(file.entries())) / 3;
}

// The files of the lowest level that has too many.
std::vector<const IndexFile*> full_level(const Index& index) {
  std::map<int, std::vector<const IndexFile*>> levels;
  for (const auto& file : index.files()) {
    if (std::optional<int> level = level_of(*file)) levels[*level].push_back(file.get());
  }
  for (auto& [level, files] : levels) {
    if (files.size() >= kLevelFilesMost) return std::move(files);
  }
  return {};
}

}  // namespace

bool levels_are_full(const Index& index) { return !full_level(index).empty(); }

std::size_t merge_levels(Store& store, const Sealer& sealer, Index& index) {
  std::size_t merged = 0;
  for (auto files = full_level(index); !files.empty(); files = full_level(index)) {
    merged += files.size();
    // The last one says what is void: before it, an entry may be found twice, which is no harm.
    for (const std::string& id : merge_indexes(store, sealer, files)) index.add_file(id);
  }
  return merged;
}

void remove_superseded(Store& store, const Index& index, SystemTime latest) {
  if (index.superseded().empty()) return;
  std::map<std::string, SystemTime> modified;
  store.list("index/", [&](const ObjectInfo& object) {
    modified[object.key.substr(object.key.rfind('/') + 1)] = object.modified;
  });
  for (const auto& file : index.files()) {
    auto put = modified.find(file->id());
    if (put == modified.end() || put->second > latest) continue;
    for (const std::string& id : file->superseded()) {
      if (modified.contains(id)) remove_if_allowed(store, "index/" + id);
    }
  }
}

}  // namespace duckback
