#pragma once

#include <gtest/gtest.h>

#include "repo/collector.h"
#include "store/faulty_store.h"
#include "test/support/test_repository.h"

// A repository in memory with what every snapshot of it must give back, and what kills leave of it.
namespace duckback::test {

inline constexpr std::chrono::hours kDayAndMore{25};

inline PruneReport prune_once(const Repository& repository) {
  PruneOptions options;
  options.grace = kPruneGrace;
  return prune(repository, options);
}

inline Repository open(std::shared_ptr<Store> store) {
  return Repository::open(std::move(store), std::nullopt);
}

// A repository with what every snapshot of it must give back.
struct Scene {
  std::shared_ptr<MemoryStore> memory = std::make_shared<MemoryStore>();
  std::map<std::string, Restored> states;  // by the snapshot's id

  Scene() { Repository::create(memory, std::nullopt); }
  Scene copy() const {
    Scene other(*this);
    other.memory = std::make_shared<MemoryStore>(*memory);
    return other;
  }
  Repository repository() const { return open(memory); }

  SnapshotName back_up(const LivingDatabase& database) {
    BackupResult result = test::back_up(repository(), database);
    states[result.snapshot.id] = state_of(database);
    return result.name;
  }
  void forget(const SnapshotName& name) const { trash_snapshot(*memory, name); }
  void wait(std::chrono::milliseconds time) const { memory->advance_clock(time); }
  void prune_for_days(int days) const {
    for (int i = 0; i < days; ++i) {
      wait(kDayAndMore);
      prune_once(repository());
    }
  }

  // Every snapshot that is listed gives back what it must.
  void expect_whole(const std::string& when) const {
    Repository repository = this->repository();
    for (const FoundSnapshot& found : read_snapshots(repository)) {
      SCOPED_TRACE(when + ", snapshot " + found.name.id);
      try {
        EXPECT_TRUE(give_back(repository, found.snapshot) == states.at(found.name.id));
      } catch (const Error& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
  std::size_t snapshots() const { return list_snapshots(*memory).size(); }
};

inline bool runs_to_end(const std::function<void()>& body) {
  try {
    body();
  } catch (const DyingStore::Dead&) {
    return false;
  }
  return true;
}

// Kills `operation` at every mutation, lost or done without answer; `after` looks at what is left.
inline void kill_everywhere(const Scene& base,
                            const std::function<void(const Repository&)>& operation,
                            const std::function<void(Scene&, const std::string& when)>& after) {
  for (bool unacknowledged : {false, true}) {
    for (std::size_t step = 0;; ++step) {
      Scene scene = base.copy();
      auto dying = std::make_shared<DyingStore>(*scene.memory, step, unacknowledged);
      bool finished = runs_to_end([&] { operation(open(dying)); });
      after(scene,
            fmt::format("killed at mutation {}{}", step, unacknowledged ? ", which was done" : ""));
      if (finished) {
        EXPECT_GT(step, 0u);
        break;
      }
      if (testing::Test::HasFailure()) return;
    }
  }
}

// The next runs succeed, and in the end nothing is left of what was killed.
inline void expect_recovers(Scene& scene, const LivingDatabase& database, const std::string& when) {
  scene.expect_whole(when);
  scene.back_up(database);
  scene.expect_whole(when + ", after the next backup");
  scene.prune_for_days(10);
  scene.expect_whole(when + ", ten days later");
  EXPECT_TRUE(keys_of(*scene.memory, "sessions/").empty()) << when;
  EXPECT_TRUE(keys_of(*scene.memory, "trash/").empty()) << when;
}

}  // namespace duckback::test
