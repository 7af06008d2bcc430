#pragma once

#include <atomic>

#include "ops/backup.h"
#include "ops/find_snapshot.h"
#include "ops/restore.h"
#include "store/memory_store.h"
#include "test/support/living_database.h"

// Backups of a LivingDatabase into memory, for tests.
namespace duckback::test {

inline BackupResult back_up(const Repository& repository, const LivingDatabase& database,
                            std::size_t threads = 2) {
  BackupOptions options;
  options.source = database.path().string();
  options.threads = threads;
  return backup(repository, options);
}

struct Restored {
  Bytes file;
  Bytes wal;
  bool operator==(const Restored&) const = default;
};

inline Restored state_of(const LivingDatabase& database) {
  return {database.image(), database.wal()};
}

inline Restored give_back(const Repository& repository, const Snapshot& snapshot) {
  TestFolder folder;
  RestoreOptions options;
  options.target = folder / "back.duckdb";
  options.threads = 2;
  restore(repository, snapshot, options);
  Restored restored{LivingDatabase::read_all(folder / "back.duckdb"), {}};
  fs::path wal = folder / "back.duckdb.wal";
  if (stat_path(wal)) restored.wal = LivingDatabase::read_all(wal);
  return restored;
}

inline Restored give_back(const Repository& repository, const std::string& reference) {
  return give_back(repository, find_snapshot(repository, reference).snapshot);
}

// Makes the newest snapshot say that it looked at its source a minute later than it did: times
// that were fresh then are old now.
inline void let_time_pass_since_last_look(const Repository& repository) {
  FoundSnapshot last = find_snapshot(repository, "latest");
  last.details.source->taken_ns += 60'000'000'000;
  last.snapshot.details = to_json(last.details);
  repository.store().remove(last.name.key);
  put_snapshot(repository.store(), repository.sealer(), last.name, last.snapshot);
}

inline std::vector<std::string> keys_of(Store& store, const std::string& prefix = "") {
  std::vector<std::string> keys;
  store.list(prefix, [&](const ObjectInfo& object) { keys.push_back(object.key); });
  return keys;
}

}  // namespace duckback::test
