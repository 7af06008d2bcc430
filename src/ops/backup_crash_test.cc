// What kills, prunes, clocks and flipped bits can do to a repository (docs/format.md, "A backup,
// and what a crash leaves", "Prune, and why it never takes what a snapshot needs").
#include <gtest/gtest.h>

#include "ops/undelete.h"
#include "test/support/hooked_store.h"
#include "test/support/repo_scene.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;
using test::back_up;
using test::expect_recovers;
using test::give_back;
using test::kDayAndMore;
using test::keys_of;
using test::kill_everywhere;
using test::LivingDatabase;
using test::open;
using test::prune_once;
using test::Restored;
using test::Scene;
using test::state_of;

// Packs that are due, a snapshot forgotten yesterday, a pack with little life, a young mark.
Scene busy_scene(LivingDatabase& database) {
  Scene scene;
  SnapshotName first = scene.back_up(database);
  for (std::uint64_t id = 2; id < 30; ++id) database.set_block(id, 2);
  database.write();
  SnapshotName second = scene.back_up(database);
  scene.forget(first);
  prune_once(scene.repository());
  scene.wait(kDayAndMore);
  for (std::uint64_t id = 4; id < 30; ++id) database.set_block(id, 3);
  database.write();
  SnapshotName third = scene.back_up(database);
  database.set_block(7, 4);
  database.write();
  scene.back_up(database);
  scene.forget(second);
  return scene;
}

TEST(Crash, ABackupKilledAnywhereLeavesOlderSnapshotsAndTheNextRunSucceeds) {
  LivingDatabase database;
  Scene base;
  base.back_up(database);
  database.set_block(5, 2);
  database.set_wal(test::WalBuilder().commit().bytes());
  database.write();
  kill_everywhere(
      base, [&](const Repository& repository) { back_up(repository, database); },
      [&](Scene& scene, const std::string& when) {
        for (const FoundSnapshot& found : read_snapshots(scene.repository())) {
          scene.states.try_emplace(found.name.id, state_of(database));
        }
        expect_recovers(scene, database, when);
      });
}

// The eighth backup puts the indexes of all together, when its snapshot is made.
Scene scene_before_a_merge(LivingDatabase& database, std::size_t indexes) {
  Scene scene;
  for (std::uint64_t n = 0; n + 1 < indexes; ++n) {
    database.set_block(3, 10 + n);
    database.write();
    scene.back_up(database);
  }
  database.set_block(3, 9);
  database.write();
  return scene;
}

TEST(Crash, ABackupKilledWhileItPutsIndexesTogetherLosesNothing) {
  LivingDatabase database;
  Scene base = scene_before_a_merge(database, 8);
  ASSERT_EQ(keys_of(*base.memory, "index/").size(), 7u);
  kill_everywhere(
      base, [&](const Repository& repository) { back_up(repository, database); },
      [&](Scene& scene, const std::string& when) {
        for (const FoundSnapshot& found : read_snapshots(scene.repository())) {
          scene.states.try_emplace(found.name.id, state_of(database));
        }
        expect_recovers(scene, database, when);
      });
}

TEST(Crash, APruneKilledAnywhereTakesNothingAndTheNextOneSucceeds) {
  LivingDatabase database(30);
  Scene base = busy_scene(database);
  ASSERT_GT(keys_of(*base.memory, "trash/packs/").size(), 0u);
  kill_everywhere(
      base, [](const Repository& repository) { prune_once(repository); },
      [&](Scene& scene, const std::string& when) {
        EXPECT_EQ(scene.snapshots(), 2u);
        expect_recovers(scene, database, when);
      });
}

TEST(Crash, AForgetKilledAnywhereLeavesTheSnapshotOnOneSideOrBoth) {
  LivingDatabase database;
  Scene base;
  SnapshotName first = base.back_up(database);
  database.set_block(5, 2);
  database.write();
  base.back_up(database);
  kill_everywhere(
      base, [&](const Repository& repository) { trash_snapshot(repository.store(), first); },
      [&](Scene& scene, const std::string& when) {
        std::size_t live = scene.snapshots() - 1;
        std::size_t trashed = list_trashed_snapshots(*scene.memory).size();
        EXPECT_GE(live + trashed, 1u) << when;
        if (live == 1) trash_snapshot(*scene.memory, first);
        SnapshotName there = list_trashed_snapshots(*scene.memory).at(0);
        undelete(scene.repository(), {there.id});
        expect_recovers(scene, database, when);
        EXPECT_EQ(scene.snapshots(), 3u);
      });
}

TEST(Crash, AnUndeleteKilledAnywhereLeavesTheSnapshotOnOneSideOrBoth) {
  LivingDatabase database;
  Scene base;
  SnapshotName first = base.back_up(database);
  database.set_block(5, 2);
  database.write();
  base.back_up(database);
  SnapshotName trashed = trash_snapshot(*base.memory, first);
  prune_once(base.repository());
  kill_everywhere(
      base, [&](const Repository& repository) { undelete(repository, {trashed.id}); },
      [&](Scene& scene, const std::string& when) {
        std::vector<SnapshotName> there = list_trashed_snapshots(*scene.memory);
        EXPECT_GE(scene.snapshots() - 1 + there.size(), 1u) << when;
        if (!there.empty()) undelete(scene.repository(), {there[0].id});
        expect_recovers(scene, database, when);
        EXPECT_EQ(scene.snapshots(), 3u);
      });
}

// What others do to a repository while a backup stands still.
struct Event {
  std::string what;
  std::function<void(const Scene&, const SnapshotName& parent)> run;
};

const std::vector<Event>& events() {
  static const std::vector<Event> all = {
      {"a prune", [](const Scene& scene, const SnapshotName&) { prune_once(scene.repository()); }},
      {"the parent forgotten and a prune",
       [](const Scene& scene, const SnapshotName& parent) {
         scene.forget(parent);
         prune_once(scene.repository());
       }},
      {"the parent forgotten, a prune, and the parent brought back",
       [](const Scene& scene, const SnapshotName& parent) {
         SnapshotName trashed = trash_snapshot(*scene.memory, parent);
         prune_once(scene.repository());
         undelete(scene.repository(), {trashed.id});
       }},
      {"ten hours and a prune",
       [](const Scene& scene, const SnapshotName&) {
         scene.wait(10h);
         prune_once(scene.repository());
       }},
      {"the parent forgotten and days of prunes",
       [](const Scene& scene, const SnapshotName& parent) {
         scene.forget(parent);
         prune_once(scene.repository());
         scene.prune_for_days(3);
       }},
      {"a clock a week ahead, days of prunes, and the clock back",
       [](const Scene& scene, const SnapshotName&) {
         scene.wait(7 * 24h);
         prune_once(scene.repository());
         scene.prune_for_days(2);
         scene.wait(-7 * 24h - 2 * kDayAndMore);
       }},
      {"a clock a month ahead, days of prunes, and the clock back",
       [](const Scene& scene, const SnapshotName&) {
         scene.wait(30 * 24h);
         prune_once(scene.repository());
         scene.prune_for_days(5);
         scene.wait(-30 * 24h - 5 * kDayAndMore);
       }},
      {"a clock a week behind and days of prunes",
       [](const Scene& scene, const SnapshotName&) {
         scene.wait(-7 * 24h);
         prune_once(scene.repository());
         scene.prune_for_days(4);
       }},
  };
  return all;
}

// Runs a backup with an event before each of its steps: it either refuses, or its snapshot and all
// others can be given back, now and later.
void disturb_everywhere(const Scene& base, const LivingDatabase& database,
                        const SnapshotName& parent) {
  for (const Event& event : events()) {
    std::size_t made = 0;
    for (std::size_t step = 0;; ++step) {
      Scene scene = base.copy();
      bool met = false;
      auto hooked = std::make_shared<test::HookedStore>(scene.memory, [&](std::size_t number) {
        if (number != step) return;
        met = true;
        event.run(scene, parent);
      });
      std::string when = fmt::format("{} before step {}", event.what, step);
      try {
        BackupResult result = back_up(open(hooked), database);
        scene.states[result.snapshot.id] = state_of(database);
        ++made;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::conflict) << when << ": " << error.what();
      }
      scene.expect_whole(when);
      scene.prune_for_days(10);
      scene.expect_whole(when + ", ten days later");
      if (!met || testing::Test::HasFailure()) break;
    }
    EXPECT_GT(made, 0u) << event.what;
  }
}

TEST(BackupBesidePrune, FindsChunksInPacksThatAreMarkedMeanwhile) {
  LivingDatabase database(12);
  Scene base;
  SnapshotName old = base.back_up(database);
  for (std::uint64_t id = 2; id < 12; ++id) database.set_block(id, 2);
  database.write();
  SnapshotName parent = base.back_up(database);
  base.forget(old);
  // As it was for the forgotten one: every block is found in packs that nobody needs.
  for (std::uint64_t id = 2; id < 12; ++id) database.set_block(id, 1);
  database.write();
  disturb_everywhere(base, database, parent);
}

TEST(BackupBesidePrune, MakesAnewWhatIsMarkedAlready) {
  LivingDatabase database(12);
  Scene base;
  SnapshotName old = base.back_up(database);
  for (std::uint64_t id = 2; id < 12; ++id) database.set_block(id, 2);
  database.write();
  SnapshotName parent = base.back_up(database);
  base.forget(old);
  prune_once(base.repository());
  base.wait(23h);
  for (std::uint64_t id = 2; id < 12; ++id) database.set_block(id, 1);
  database.write();
  disturb_everywhere(base, database, parent);
}

TEST(BackupBesidePrune, ComparesWithASnapshotThatIsForgottenMeanwhile) {
  LivingDatabase database(12);
  Scene base;
  SnapshotName parent = base.back_up(database);
  database.set_block(5, 2);
  database.write();
  disturb_everywhere(base, database, parent);
}

// It stands still at any step, also while it puts indexes together, and packs that these list go.
TEST(BackupBesidePrune, PutsIndexesTogetherThatListWhatIsRemovedMeanwhile) {
  LivingDatabase database;
  Scene base = scene_before_a_merge(database, 8);
  std::vector<SnapshotName> names = list_snapshots(*base.memory);
  for (std::size_t n = 0; n < 4; ++n) base.forget(names[n]);
  for (int days : {0, 1, 3, 9}) {
    std::size_t merged = 0;
    for (std::size_t step = 0;; ++step) {
      Scene scene = base.copy();
      bool met = false;
      auto hooked = std::make_shared<test::HookedStore>(scene.memory, [&](std::size_t number) {
        if (number != step) return;
        met = true;
        prune_once(scene.repository());
        scene.prune_for_days(days);
      });
      std::string when = fmt::format("{} days of prunes before step {}", days, step);
      try {
        BackupResult result = back_up(open(hooked), database);
        scene.states[result.snapshot.id] = state_of(database);
        merged += list_snapshots(*scene.memory).size() == 4 && met;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::conflict) << when << ": " << error.what();
      }
      scene.expect_whole(when);
      scene.back_up(database);
      scene.expect_whole(when + ", after the next backup");
      scene.prune_for_days(10);
      scene.expect_whole(when + ", ten days later");
      EXPECT_TRUE(keys_of(*scene.memory, "trash/").empty()) << when;
      if (!met || testing::Test::HasFailure()) break;
    }
    EXPECT_GT(merged, 0u);
  }
}

TEST(BackupBesidePrune, AnUntouchedDatabaseWhoseSnapshotIsForgottenMeanwhile) {
  LivingDatabase database;
  Scene base;
  base.back_up(database);
  test::let_time_pass_since_last_look(base.repository());
  disturb_everywhere(base, database, find_snapshot(base.repository(), "latest").name);
}

TEST(BackupBesidePrune, ABackupThatTookLongerThanHalfTheGraceTimeIsRefused) {
  LivingDatabase database;
  Scene scene;
  auto hooked = std::make_shared<test::HookedStore>(scene.memory, [&](std::size_t number) {
    if (number == 1) scene.wait(13h);
  });
  EXPECT_THROW(back_up(open(hooked), database), Error);
  EXPECT_EQ(scene.snapshots(), 0u);
}

// A bit here and there of a small repository: what comes back is right or refused.
void flip_bits(const std::optional<std::string>& password) {
  LivingDatabase database(3);
  database.set_wal(test::WalBuilder().commit().bytes());
  database.write();
  auto memory = std::make_shared<MemoryStore>();
  Repository repository = Repository::create(memory, password);
  back_up(repository, database);
  database.set_block(2, 2);
  database.write();
  back_up(repository, database);
  Restored expected = state_of(database);
  ASSERT_TRUE(give_back(repository, "latest") == expected);

  constexpr std::size_t kStride = 7;  // of all bytes: some minutes
  std::size_t refused = 0;
  for (const std::string& key : keys_of(*memory)) {
    // Keys have a sweep of their own, and a password takes its time to be tried.
    if (password && (key.starts_with("config") || key.starts_with("keys"))) continue;
    Bytes bytes = memory->get(key);
    for (std::size_t at = 0; at < bytes.size(); at += kStride) {
      Bytes flipped = bytes;
      flipped[at] ^= static_cast<std::uint8_t>(1u << (at % 8));
      memory->put(key, flipped);
      try {
        Restored back =
            password ? give_back(repository, "latest") : give_back(open(memory), "latest");
        EXPECT_TRUE(back == expected) << key << " at " << at;
      } catch (const Error& error) {
        ++refused;
        // The byte that says a newer version cannot be told from one that does.
        bool version = at == 9 && error.code() == Errc::unsupported;
        EXPECT_TRUE(error.code() == Errc::damaged || version)
            << key << " at " << at << ": " << name_of(error.code()) << ": " << error.what();
      }
      if (testing::Test::HasFailure()) return;
    }
    memory->put(key, bytes);
  }
  EXPECT_GT(refused, 300u) << "most of a repository matters";
}

TEST(BitFlip, ARepositoryGivesBackTheRightBytesOrNone) { flip_bits(std::nullopt); }

TEST(BitFlip, SoDoesAnEncryptedOne) { flip_bits("a password"); }

}  // namespace
}  // namespace duckback
