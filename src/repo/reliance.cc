#include "repo/reliance.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "repo/damage.h"
#include "repo/mark.h"
#include "repo/pack.h"

namespace duckback {
namespace {

// More packs than this are not asked for one by one.
constexpr std::size_t kAskedMost = 64;

}  // namespace

std::set<std::string> Reliance::absent() const {
  std::set<std::string> absent = list_marks(store_).packs();
  absent.merge(list_damage_notes(store_));
  absent.insert(lost_.begin(), lost_.end());
  return absent;
}

void Reliance::rely_on(std::set<std::string> packs, std::string snapshot_key) {
  packs_ = std::move(packs);
  snapshot_key_ = std::move(snapshot_key);
}

bool Reliance::holds() {
  // One that is in trash keeps its packs for as long as that lasts, which may be over.
  if (!snapshot_key_.empty() && !store_.exists(snapshot_key_)) return false;
  if (packs_.empty()) return true;
  std::set<std::string> marked = list_marks(store_).packs();
  bool marked_since = std::any_of(packs_.begin(), packs_.end(),
                                  [&](const std::string& id) { return marked.contains(id); });
  return !marked_since && finds_packs();
}

bool Reliance::finds_packs() {
  std::set<std::string> missing = packs_;
  if (packs_.size() > kAskedMost) {
    store_.list("packs/", [&](const ObjectInfo& object) {
      if (std::optional<std::string> id = pack_id_of(object.key)) missing.erase(*id);
    });
  } else {
    std::vector<std::string> ids(packs_.begin(), packs_.end());
    std::mutex mutex;
    for_each_at_once(store_, ids.size(), [&](std::size_t i) {
      if (!store_.exists(pack_key(ids[i]))) return;
      std::lock_guard lock(mutex);
      missing.erase(ids[i]);
    });
  }
  lost_.insert(missing.begin(), missing.end());
  return missing.empty();
}

}  // namespace duckback
