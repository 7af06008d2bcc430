#include "ops/repair_index.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "repo/damage.h"
#include "repo/hex.h"
#include "repo/index.h"
#include "repo/session.h"

namespace duckback {
namespace {

std::set<std::string> list_indexes(Store& store) {
  std::set<std::string> ids;
  store.list("index/", [&](const ObjectInfo& object) {
    std::string id = object.key.substr(object.key.rfind('/') + 1);
    if (is_hex(id, 64)) ids.insert(id);
  });
  return ids;
}

std::vector<std::pair<std::string, std::uint64_t>> pack_sizes(Store& store) {
  std::vector<std::pair<std::string, std::uint64_t>> packs;
  store.list("packs/", [&](const ObjectInfo& object) {
    std::string id = object.key.substr(object.key.rfind('/') + 1);
    if (is_hex(id, 64) && object.key == pack_key(id)) packs.emplace_back(id, object.bytes);
  });
  return packs;
}

std::set<std::string> ids_of(const std::map<std::string, std::string>& packs) {
  std::set<std::string> ids;
  for (const auto& [id, text] : packs) ids.insert(id);
  return ids;
}

struct OldEntries {
  PackInfo pack;
  std::vector<PackedChunk> chunks;
};

// What the index that is there says of `packs`, by id.
std::map<std::string, OldEntries> read_old_entries(const Index& index,
                                                   const std::set<std::string>& packs) {
  std::map<std::string, OldEntries> entries;
  if (packs.empty()) return entries;
  for (const auto& file : index.files()) {
    file->for_each([&](std::uint64_t, const ChunkPlace& place) {
      if (!packs.contains(place.pack->id)) return;
      OldEntries& old = entries[place.pack->id];
      old.pack = *place.pack;
      old.chunks.push_back(place.chunk);
    });
  }
  for (auto& [id, old] : entries) {
    auto same = [](const PackedChunk& a, const PackedChunk& b) { return a.id == b.id; };
    std::sort(old.chunks.begin(), old.chunks.end(),
              [](const PackedChunk& a, const PackedChunk& b) { return a.id < b.id; });
    old.chunks.erase(std::unique(old.chunks.begin(), old.chunks.end(), same), old.chunks.end());
  }
  return entries;
}

}  // namespace

RepairReport repair_index(const Repository& repository, const RepairOptions& options) {
  Store& store = repository.store();
  std::optional<Session> session;
  if (!options.dry_run) session.emplace(repository, "repair");
  // In this order: the packs of an index that was there are seen.
  std::set<std::string> old = list_indexes(store);
  std::vector<std::pair<std::string, std::uint64_t>> packs = pack_sizes(store);
  RepairReport report;
  std::map<std::string, std::string> unreadable;  // why, by id
  report.superseded = old.size();
  if (options.step) options.step("reading the directories of " + count_of(packs.size(), "pack"));
  IndexBuilder builder;
  auto put = [&](const std::set<std::string>& superseded) {
    if (options.dry_run) {
      builder = {};
      return;
    }
    report.indexes.push_back(builder.put(store, repository.sealer(), superseded).id);
  };
  for (const auto& [id, bytes] : packs) {
    if (options.stop.stop_requested()) throw Interrupted();
    try {
      PackDirectory directory = read_pack_directory(store, repository.sealer(), id, bytes);
      builder.add(directory.info, directory.chunks);
      report.chunks += directory.chunks.size();
      ++report.packs;
    } catch (const Error& error) {
      if (error.code() == Errc::not_found) continue;  // Pruned since it was listed.
      if (error.code() != Errc::damaged && error.code() != Errc::unsupported) throw;
      unreadable.emplace(id, error.what());
    }
    if (builder.entries() >= kIndexEntriesMost / 2) put({});
    if (options.progress) options.progress(report.packs, packs.size());
  }
  // What is damaged in it is left out.
  Index old_index(store, repository.sealer(), {}, [](const std::string&, const Error&) {});
  // What it lists and is missing is in no index from now on: notes keep it in mind for backups.
  if (!options.dry_run) {
    note_missing_packs(repository, old_index, list_packs(store, old_index).missing);
  }
  // Most of such a pack may be good: only its directory says no more what is in it.
  std::map<std::string, OldEntries> entries = read_old_entries(old_index, ids_of(unreadable));
  for (const auto& [id, why] : unreadable) {
    auto kept = entries.find(id);
    report.unreadable.push_back({why, kept != entries.end()});
    if (kept == entries.end()) continue;
    builder.add(kept->second.pack, kept->second.chunks);
    report.chunks += kept->second.chunks.size();
    if (builder.entries() >= kIndexEntriesMost / 2) put({});
  }
  // Only now, by the last one, are the old ones void.
  put(old);
  return report;
}

}  // namespace duckback
