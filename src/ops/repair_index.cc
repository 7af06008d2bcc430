#include "ops/repair_index.h"

#include "base/error.h"
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

std::vector<std::pair<std::string, std::uint64_t>> list_packs(Store& store) {
  std::vector<std::pair<std::string, std::uint64_t>> packs;
  store.list("packs/", [&](const ObjectInfo& object) {
    std::string id = object.key.substr(object.key.rfind('/') + 1);
    if (is_hex(id, 64) && object.key == pack_key(id)) packs.emplace_back(id, object.bytes);
  });
  return packs;
}

}  // namespace

RepairReport repair_index(const Repository& repository, const RepairOptions& options) {
  Store& store = repository.store();
  std::optional<Session> session;
  if (!options.dry_run) session.emplace(repository, "repair");
  // In this order: the packs of an index that was there are seen.
  std::set<std::string> old = list_indexes(store);
  std::vector<std::pair<std::string, std::uint64_t>> packs = list_packs(store);
  RepairReport report;
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
      report.unreadable.push_back(error.what());
    }
    if (builder.entries() >= kIndexEntriesMost / 2) put({});
    if (options.progress) options.progress(report.packs, packs.size());
  }
  // Only now, by the last one, are the old ones void.
  put(old);
  return report;
}

}  // namespace duckback
