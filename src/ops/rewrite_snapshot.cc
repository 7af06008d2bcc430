#include "ops/rewrite_snapshot.h"

#include "base/error.h"
#include "repo/session.h"

namespace duckback {

FoundSnapshot rewrite_snapshot(const Repository& repository, const FoundSnapshot& found,
                               const std::function<void(Snapshot&)>& change) {
  FoundSnapshot changed = found;
  change(changed.snapshot);
  if (changed.snapshot.tags == found.snapshot.tags &&
      changed.snapshot.pinned == found.snapshot.pinned) {
    return found;
  }
  Store& store = repository.store();
  Session session(repository, "tag");
  auto check_there = [&] {
    if (store.exists(found.name.key)) return;
    throw Error(Errc::conflict,
                "snapshot {} was forgotten or changed by somebody else meanwhile, and stays as it "
                "is; `duckback snapshots` shows what there is",
                found.name.id.substr(0, 8));
  };
  check_there();
  changed.snapshot.id = random_id();
  changed.name = name_snapshot(found.name.database_id, changed.snapshot);
  put_snapshot(store, repository.sealer(), changed.name, changed.snapshot);
  try {
    // What it needs is there for certain only as long as the old one is.
    check_there();
  } catch (const Error&) {
    store.remove(changed.name.key);
    throw;
  }
  store.remove(found.name.key);
  return changed;
}

}  // namespace duckback
