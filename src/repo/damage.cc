#include "repo/damage.h"

#include <map>

#include "repo/hex.h"
#include "repo/mark.h"

namespace duckback {
namespace {

constexpr std::string_view kNotes = "damaged/";

std::string note_key(const std::string& pack_id) { return std::string(kNotes) + pack_id; }

// Entries of packs that are in `packs`, or of those that are not.
template <class Visit>
void for_each_entry(const IndexFile& file, const std::set<std::string>& packs, bool in,
                    Visit visit) {
  std::unordered_set<const PackInfo*> chosen;
  for (const PackInfo& pack : file.packs()) {
    if (packs.contains(pack.id) == in) chosen.insert(&pack);
  }
  if (chosen.empty()) return;
  file.for_each([&](std::uint64_t, const ChunkPlace& place) {
    if (chosen.contains(place.pack)) visit(place.chunk.id);
  });
}

}  // namespace

std::set<std::string> list_damage_notes(Store& store) {
  std::set<std::string> ids;
  store.list(kNotes, [&](const ObjectInfo& object) {
    std::string id = object.key.substr(kNotes.size());
    if (is_hex(id, 2 * sizeof(Digest))) ids.insert(std::move(id));
  });
  return ids;
}

void put_damage_note(const Repository& repository, const std::string& pack_id) {
  put_document(repository.store(), repository.sealer(), note_key(pack_id), "{}");
}

bool note_damaged_packs(const Repository& repository, const ChunkReader& reader) {
  std::set<std::string> packs = reader.damaged();
  for (const std::string& id : packs) put_damage_note(repository, id);
  return !packs.empty();
}

void remove_damage_note(Store& store, const std::string& pack_id) {
  store.remove(note_key(pack_id));
}

PackListing list_packs(Store& store, const Index& index) {
  std::map<std::string, std::uint64_t> listed;  // bytes, by id
  for (const auto& file : index.files()) {
    for (const PackInfo& pack : file->packs()) listed.emplace(pack.id, pack.bytes);
  }
  PackListing packs;
  store.list("packs/", [&](const ObjectInfo& object) {
    std::optional<std::string> id = pack_id_of(object.key);
    if (!id) return;
    auto found = listed.find(*id);
    if (found == listed.end()) {
      packs.unlisted.insert(*id);
    } else if (found->second == object.bytes) {
      listed.erase(found);
    }
  });
  for (const auto& [id, bytes] : listed) packs.missing.insert(id);
  return packs;
}

bool note_missing_packs(const Repository& repository, const Index& index,
                        const std::set<std::string>& missing) {
  if (missing.empty()) return false;
  std::set<std::string> removed = list_marks(repository.store()).packs();
  bool noted = false;
  for (const std::string& id : missing) {
    if (index.absent(id) || removed.contains(id)) continue;
    put_damage_note(repository, id);
    noted = true;
  }
  return noted;
}

std::unordered_set<ChunkId> chunks_only_in(const std::set<std::string>& bad, const Index& index) {
  std::unordered_set<ChunkId> chunks;
  if (bad.empty()) return chunks;
  for (const auto& file : index.files()) {
    for_each_entry(*file, bad, true, [&](const ChunkId& id) { chunks.insert(id); });
  }
  if (chunks.empty()) return chunks;
  for (const auto& file : index.files()) {
    for_each_entry(*file, bad, false, [&](const ChunkId& id) { chunks.erase(id); });
  }
  return chunks;
}

}  // namespace duckback
