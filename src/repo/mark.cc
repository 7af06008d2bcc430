#include "repo/mark.h"

#include "repo/hex.h"

namespace duckback {
namespace {

constexpr std::string_view kMarks = "trash/packs/";
constexpr std::string_view kTombstones = "trash/removed/";

std::string key_of(std::string_view prefix, const std::string& pack_id) {
  return std::string(prefix) + pack_id;
}

std::vector<Mark> list_below(Store& store, std::string_view prefix) {
  std::vector<Mark> marks;
  store.list(prefix, [&](const ObjectInfo& object) {
    std::string id = object.key.substr(prefix.size());
    if (is_hex(id, 2 * sizeof(Digest))) marks.push_back({std::move(id), object.modified});
  });
  return marks;
}

}  // namespace

std::set<std::string> ids_of(const std::vector<Mark>& marks) {
  std::set<std::string> ids;
  for (const Mark& mark : marks) ids.insert(mark.pack_id);
  return ids;
}

std::set<std::string> Marks::packs() const {
  std::set<std::string> packs = ids_of(marks);
  packs.merge(ids_of(tombstones));
  return packs;
}

Marks list_marks(Store& store) {
  // A mark becomes a tombstone by putting that first, so this order misses none.
  Marks found;
  found.marks = list_below(store, kMarks);
  found.tombstones = list_below(store, kTombstones);
  return found;
}

void put_mark(const Repository& repository, const std::string& pack_id) {
  put_document(repository.store(), repository.sealer(), key_of(kMarks, pack_id), "{}");
}

void remove_mark(Store& store, const std::string& pack_id) {
  store.remove(key_of(kMarks, pack_id));
}

void remove_marks(Store& store, const std::vector<std::string>& pack_ids) {
  std::vector<std::string> keys;
  for (const std::string& id : pack_ids) keys.push_back(key_of(kMarks, id));
  remove_all(store, keys);
}

void put_tombstone(const Repository& repository, const std::string& pack_id) {
  put_document(repository.store(), repository.sealer(), key_of(kTombstones, pack_id), "{}");
}

void remove_tombstone(Store& store, const std::string& pack_id) {
  store.remove(key_of(kTombstones, pack_id));
}

}  // namespace duckback
