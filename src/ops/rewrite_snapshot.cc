#include "ops/rewrite_snapshot.h"

namespace duckback {

FoundSnapshot rewrite_snapshot(const Repository& repository, const FoundSnapshot& found,
                               const std::function<void(Snapshot&)>& change) {
  FoundSnapshot changed = found;
  change(changed.snapshot);
  if (changed.snapshot.tags == found.snapshot.tags &&
      changed.snapshot.pinned == found.snapshot.pinned) {
    return found;
  }
  changed.snapshot.id = random_id();
  changed.name = name_snapshot(found.name.database_id, changed.snapshot);
  create_snapshot(repository.store(), repository.sealer(), changed.name, changed.snapshot);
  repository.store().remove(found.name.key);
  return changed;
}

}  // namespace duckback
