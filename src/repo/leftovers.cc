#include "repo/leftovers.h"

#include <algorithm>

#include "base/error.h"
#include "repo/index.h"
#include "repo/mark.h"

namespace duckback {
namespace {

// Nothing is known of a pack that cannot be read; prune removes it.
std::optional<PackDirectory> read_directory(const Repository& repository, const std::string& id,
                                            std::uint64_t bytes) {
  try {
    return read_pack_directory(repository.store(), repository.sealer(), id, bytes);
  } catch (const Error& error) {
    if (error.code() != Errc::damaged && error.code() != Errc::not_found &&
        error.code() != Errc::unsupported) {
      throw;
    }
    return std::nullopt;
  }
}

}  // namespace

std::uint64_t index_leftovers(const Repository& repository, const Session& own) {
  std::vector<SessionInfo> sessions = list_sessions(repository);
  std::erase_if(sessions, [&](const SessionInfo& session) {
    return session.id == own.id() || session.what != "backup" || !session.dead();
  });
  if (sessions.empty()) return 0;

  Store& store = repository.store();
  // The index after the packs: what another backup puts meanwhile is in it or not listed.
  std::vector<std::pair<std::string, std::uint64_t>> packs;
  store.list("packs/", [&](const ObjectInfo& object) {
    if (std::optional<std::string> id = pack_id_of(object.key)) {
      packs.emplace_back(*id, object.bytes);
    }
  });
  std::set<std::string> known = list_marks(store).packs();
  Index index(store, repository.sealer());
  for (const auto& file : index.files()) {
    for (const PackInfo& pack : file->packs()) known.insert(pack.id);
  }
  std::uint64_t found = 0;
  IndexBuilder builder;
  for (const auto& [id, bytes] : packs) {
    if (known.contains(id)) continue;
    std::optional<PackDirectory> directory = read_directory(repository, id, bytes);
    if (!directory) continue;
    ++found;
    builder.add(directory->info, directory->chunks);
    if (builder.entries() >= kIndexEntriesMost / 2) builder.put(store, repository.sealer());
  }
  if (builder.entries() > 0) builder.put(store, repository.sealer());
  for (const SessionInfo& session : sessions) remove_session(store, session.id);
  return found;
}

}  // namespace duckback
