#include "ops/damaged_snapshots.h"

#include "repo/chunk_reader.h"
#include "repo/damage.h"
#include "repo/map.h"

namespace duckback {
namespace {

class LossSearch {
 public:
  LossSearch(const ChunkReader& reader, const std::unordered_set<ChunkId>& lost)
      : reader_(reader), lost_(lost) {}

  bool finds_loss(const Snapshot& snapshot) {
    return lost_.contains(snapshot.head) || finds_loss(snapshot.file) || finds_loss(snapshot.wal);
  }

 private:
  bool finds_loss(const MapRef& map) {
    bool found = false;
    std::vector<ChunkId> entered;
    try {
      walk_map(
          map, [&](const ChunkId& id) { return reader_.read(id); },
          [&](const ChunkId& node, std::uint32_t level) {
            found = found || lost_.contains(node) || lossy_leaves_.contains(node);
            if (found || whole_.contains(node)) return false;
            if (level > 0) entered.push_back(node);
            return true;
          },
          [&](std::uint64_t, const ChunkId& node, const MapLeaf& leaf) {
            bool whole = true;
            leaf.for_each([&](std::size_t, const MapEntry& entry) {
              if (lost_.contains(entry.chunk)) whole = false;
            });
            (whole ? whole_ : lossy_leaves_).insert(node);
            if (!whole) found = true;
          });
    } catch (const Error& error) {
      if (error.code() != Errc::damaged) throw;
      return true;
    }
    if (!found) whole_.insert(entered.begin(), entered.end());
    return found;
  }

  const ChunkReader& reader_;
  const std::unordered_set<ChunkId>& lost_;
  std::unordered_set<ChunkId> whole_;  // nodes below which nothing is lost
  std::unordered_set<ChunkId> lossy_leaves_;
};

}  // namespace

std::set<std::string> damaged_snapshots(const Repository& repository,
                                        const std::vector<FoundSnapshot>& snapshots) {
  Store& store = repository.store();
  std::set<std::string> bad = list_damage_notes(store);
  Index index(store, repository.sealer());
  bad.merge(list_packs(store, index).missing);
  std::unordered_set<ChunkId> lost = chunks_only_in(bad, index);
  std::set<std::string> ids;
  if (lost.empty()) return ids;
  ChunkReader reader(store, repository.sealer(), repository.namer(), index);
  LossSearch search(reader, lost);
  for (const FoundSnapshot& one : snapshots) {
    if (search.finds_loss(one.snapshot)) ids.insert(one.name.id);
  }
  return ids;
}

}  // namespace duckback
