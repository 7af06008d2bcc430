// What is found damaged is remembered, and heals (docs/format.md, "Damage, and how it heals").
#include "repo/damage.h"

#include <gtest/gtest.h>

#include "ops/check.h"
#include "ops/forget_snapshots.h"
#include "ops/sync_repository.h"
#include "repo/mark.h"
#include "test/support/actor.h"
#include "test/support/error_of.h"
#include "test/support/hooked_store.h"
#include "test/support/repo_scene.h"

namespace duckback {
namespace {

using test::Actor;
using test::give_back;
using test::keys_of;
using test::LivingDatabase;
using test::open;
using test::prune_once;
using test::Scene;
using test::state_of;

class Damage : public testing::Test {
 protected:
  // All chunks in it.
  static void flip(const Scene& of, const std::string& pack_id) {
    Bytes pack = of.memory->get(pack_key(pack_id));
    std::size_t directory = load_le<std::uint32_t>(pack.data() + pack.size() - 8);
    for (std::size_t at = 44; at + directory + 8 < pack.size(); ++at) pack[at] ^= 1;
    of.memory->put(pack_key(pack_id), pack);
  }
  // The pack that has what is in a block of the database; not one that was found damaged.
  static std::string pack_of(const Scene& of, const LivingDatabase& database, std::uint64_t block) {
    Repository repository = of.repository();
    Bytes file = LivingDatabase::read_all(database.path());
    ByteView bytes =
        ByteView(file).subspan(LivingDatabase::offset_of(block), LivingDatabase::kBlockBytes);
    Index index(*of.memory, repository.sealer(), list_damage_notes(*of.memory));
    return index.find(repository.namer().chunk_id(bytes))->pack->id;
  }
  CheckReport look(bool read_data) const {
    CheckOptions options;
    if (read_data) options.data = CheckOptions::Data::all;
    return check(scene.repository(), options);
  }
  std::vector<std::string> forget_all_but_the_last() const {
    ForgetSnapshotsOptions options;
    options.policy.last = 1;
    std::vector<std::string> removed;
    for (const SnapshotDecision& one : forget_snapshots(scene.repository(), options).decisions) {
      if (one.removed) removed.push_back(one.found.name.id);
    }
    return removed;
  }

  Scene scene;
  LivingDatabase database{20};
};

TEST_F(Damage, IsNotedAndTheNextBackupStoresItAnewForOlderSnapshotsToo) {
  SnapshotName first = scene.back_up(database);
  test::let_time_pass_since_last_look(scene.repository());
  std::string bad = pack_of(scene, database, 7);
  flip(scene, bad);
  ASSERT_EQ(look(true).findings.size(), 1u);
  EXPECT_EQ(list_damage_notes(*scene.memory), std::set<std::string>{bad});

  BackupResult second = test::back_up(scene.repository(), database);
  scene.states[second.snapshot.id] = state_of(database);
  EXPECT_FALSE(second.untouched);
  EXPECT_FALSE(second.warnings.empty());
  scene.expect_whole("healed");
  CheckReport report = look(false);
  ASSERT_EQ(report.findings.size(), 1u) << "it is read again without being told";
  EXPECT_TRUE(report.findings[0].needed_by.empty());

  scene.prune_for_days(3);
  scene.expect_whole("pruned");
  EXPECT_TRUE(list_damage_notes(*scene.memory).empty()) << "the note goes with the pack";
  EXPECT_TRUE(look(true).findings.empty());
}

TEST_F(Damage, IsOverWhenThePackIsWholeAgain) {
  scene.back_up(database);
  std::string bad = pack_of(scene, database, 7);
  Bytes pack = scene.memory->get(pack_key(bad));
  flip(scene, bad);
  look(true);
  scene.memory->put(pack_key(bad), pack);
  CheckReport report = look(false);
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(report.packs_read, 1u);
  EXPECT_TRUE(list_damage_notes(*scene.memory).empty());
}

TEST_F(Damage, OfTheNewestSnapshotKeepsTheLastWholeOne) {
  SnapshotName whole = scene.back_up(database);
  database.set_block(7, 2);
  database.write();
  SnapshotName lossy = scene.back_up(database);
  flip(scene, pack_of(scene, database, 7));
  look(true);
  EXPECT_TRUE(forget_all_but_the_last().empty());
  test::error_of(Errc::refused, [&] { forget_snapshots(scene.repository(), {whole.id}, false); });

  SnapshotName healing = scene.back_up(database);
  EXPECT_EQ(forget_all_but_the_last(), (std::vector<std::string>{whole.id, lossy.id}));
}

TEST_F(Damage, ASnapshotThatCannotComeBackWholeMayBeGivenUp) {
  scene.back_up(database);
  database.set_block(7, 2);
  database.write();
  SnapshotName lossy = scene.back_up(database);
  flip(scene, pack_of(scene, database, 7));
  look(true);
  forget_snapshots(scene.repository(), {lossy.id}, false);
  EXPECT_EQ(scene.snapshots(), 1u);
}

// No check was there to find it.
TEST_F(Damage, OfTheMapThatABackupComparesToIsFoundByIt) {
  for (bool changed : {false, true}) {
    Scene other;
    other.back_up(database);
    for (const std::string& key : keys_of(*other.memory, "packs/")) {
      if (other.memory->get(key)[8] == static_cast<std::uint8_t>(ObjectKind::map_pack)) {
        flip(other, *pack_id_of(key));
      }
    }
    if (changed) database.set_block(7, 5);
    database.write();
    BackupResult result = test::back_up(other.repository(), database);
    EXPECT_FALSE(result.warnings.empty());
    EXPECT_EQ(give_back(other.repository(), result.snapshot), state_of(database));
    EXPECT_EQ(list_damage_notes(*other.memory).size(), 1u);
  }
}

TEST_F(Damage, OfAMissingPackIsNotedToo) {
  SnapshotName whole = scene.back_up(database);
  database.set_block(7, 2);
  database.write();
  scene.back_up(database);
  scene.memory->remove(pack_key(pack_of(scene, database, 7)));
  EXPECT_TRUE(forget_all_but_the_last().empty()) << "before any check";
  look(false);
  EXPECT_EQ(list_damage_notes(*scene.memory).size(), 1u);
  scene.back_up(database);
  scene.expect_whole("stored anew");
  EXPECT_TRUE(scene.memory->exists(whole.key));
}

// Which of two packs counts depends on names that are random: tried until both cases came.
TEST_F(Damage, OfOneOfTwoPacksWithTheSameChunksLeavesTheOther) {
  for (int i = 0; i < 8; ++i) {
    Scene two;
    LivingDatabase other(20);
    SnapshotName forgotten = two.back_up(other);
    two.forget(forgotten);
    prune_once(two.repository());  // Marks its packs, so that a backup stores all anew.
    std::string first = pack_of(two, other, 7);
    two.back_up(other);
    for (const std::string& id : list_marks(*two.memory).packs()) remove_mark(*two.memory, id);
    flip(two, first);
    CheckOptions options;
    options.data = CheckOptions::Data::all;
    check(two.repository(), options);
    two.prune_for_days(5);
    two.expect_whole("pruned");
    EXPECT_FALSE(two.memory->exists(pack_key(first)));
    EXPECT_TRUE(check(two.repository(), options).findings.empty());
  }
}

TEST_F(Damage, ThatIsFoundWhileAPruneRunsStopsIt) {
  SnapshotName forgotten = scene.back_up(database);
  for (std::uint64_t id = 2; id < 20; ++id) database.set_block(id, 2);
  database.write();
  scene.back_up(database);
  scene.forget(forgotten);
  scene.wait(test::kDayAndMore);
  prune_once(scene.repository());
  ASSERT_FALSE(list_marks(*scene.memory).marks.empty());
  scene.wait(test::kDayAndMore);
  std::size_t packs = keys_of(*scene.memory, "packs/").size();
  std::string waits_for;
  Actor late(scene.memory, [&](std::shared_ptr<Store> store) {
    waits_for = prune_once(open(std::move(store))).waits_for;
  });
  ASSERT_TRUE(late.run_until("list", "packs/"));        // It has looked at notes and marks,
  ASSERT_TRUE(late.run_until("list", "trash/packs/"));  // and looks once more.
  put_damage_note(scene.repository(), pack_of(scene, database, 7));
  late.finish();
  EXPECT_EQ(keys_of(*scene.memory, "packs/").size(), packs);
  prune_once(scene.repository());
  EXPECT_LT(keys_of(*scene.memory, "packs/").size(), packs);
}

// A little of it is needed by an old snapshot; the rest of the pack cannot be moved.
TEST_F(Damage, IsNoReasonForAPruneToFail) {
  SnapshotName first = scene.back_up(database);
  std::string bad = pack_of(scene, database, 7);
  for (std::uint64_t id = 8; id < 20; ++id) database.set_block(id, 2);
  for (std::uint64_t id = 2; id < 7; ++id) database.set_block(id, 2);
  database.write();
  scene.back_up(database);
  scene.forget(first);
  flip(scene, bad);
  look(true);
  scene.prune_for_days(3);
  EXPECT_TRUE(scene.memory->exists(pack_key(bad))) << "block 7 is nowhere else";
  scene.back_up(database);
  scene.prune_for_days(3);
  scene.expect_whole("healed");
  EXPECT_FALSE(scene.memory->exists(pack_key(bad)));
}

TEST_F(Damage, IsHealedBySyncFromARepositoryThatIsWhole) {
  scene.back_up(database);
  database.set_block(3, 2);
  database.write();
  scene.back_up(database);
  Scene second;
  second.states = scene.states;
  SyncOptions options;
  options.grace = kPruneGrace;
  sync_repository(scene.repository(), second.repository(), options);
  flip(second, pack_of(second, database, 7));
  CheckOptions all;
  all.data = CheckOptions::Data::all;
  check(second.repository(), all);
  database.set_block(4, 2);
  database.write();
  scene.back_up(database);
  second.states = scene.states;

  options.dry_run = true;
  EXPECT_EQ(sync_repository(scene.repository(), second.repository(), options).healed.size(), 2u);
  options.dry_run = false;
  SyncReport report = sync_repository(scene.repository(), second.repository(), options);
  EXPECT_EQ(report.healed.size(), 2u);
  EXPECT_EQ(report.copied.size(), 1u);
  EXPECT_TRUE(report.damaged.empty());
  second.expect_whole("healed");
  report = sync_repository(scene.repository(), second.repository(), options);
  EXPECT_EQ(report.there, 3u);
  EXPECT_TRUE(report.healed.empty());
}

// No check was there to note it: what is in a pack that is cut must not pass for stored.
TEST_F(Damage, OfACutPackIsHealedBySyncToo) {
  scene.back_up(database);
  Scene second;
  second.states = scene.states;
  SyncOptions options;
  options.grace = kPruneGrace;
  sync_repository(scene.repository(), second.repository(), options);
  std::string key = pack_key(pack_of(second, database, 7));
  Bytes pack = second.memory->get(key);
  pack.resize(pack.size() / 2);
  second.memory->put(key, pack);
  EXPECT_EQ(sync_repository(scene.repository(), second.repository(), options).healed.size(), 1u);
  second.expect_whole("healed");
}

TEST_F(Damage, ThatBothHaveIsSaidAndNotHandedOn) {
  scene.back_up(database);
  Scene second;
  SyncOptions options;
  options.grace = kPruneGrace;
  sync_repository(scene.repository(), second.repository(), options);
  for (Scene* one : {&scene, &second}) {
    flip(*one, pack_of(*one, database, 7));
    CheckOptions all;
    all.data = CheckOptions::Data::all;
    check(one->repository(), all);
  }
  database.set_block(7, 2);
  database.write();
  second.states[scene.back_up(database).id] = state_of(database);
  SyncReport report = sync_repository(scene.repository(), second.repository(), options);
  EXPECT_EQ(report.damaged.size(), 1u);
  EXPECT_EQ(report.copied.size(), 1u);
  EXPECT_EQ(give_back(second.repository(), "latest"), state_of(database));
}

TEST_F(Damage, HealsThoughWhoeverHealsItIsKilled) {
  scene.back_up(database);
  test::let_time_pass_since_last_look(scene.repository());
  flip(scene, pack_of(scene, database, 7));
  look(true);
  auto heal = [&](const Repository& repository) { test::back_up(repository, database); };
  test::kill_everywhere(scene, heal, [&](Scene& killed, const std::string& when) {
    heal(killed.repository());
    for (const SnapshotName& name : list_snapshots(*killed.memory)) {
      killed.states.try_emplace(name.id, state_of(database));
    }
    killed.expect_whole(when);
    killed.prune_for_days(10);
    killed.expect_whole(when + ", pruned");
    EXPECT_TRUE(list_damage_notes(*killed.memory).empty()) << when;
  });
}

TEST_F(Damage, WhoPrunesItIsKilledAndNothingElseIsLost) {
  scene.back_up(database);
  test::let_time_pass_since_last_look(scene.repository());
  flip(scene, pack_of(scene, database, 7));
  look(true);
  scene.back_up(database);
  prune_once(scene.repository());
  scene.wait(test::kDayAndMore);
  auto once = [](const Repository& repository) { prune_once(repository); };
  test::kill_everywhere(scene, once, [&](Scene& killed, const std::string& when) {
    killed.expect_whole(when);
    killed.prune_for_days(10);
    killed.expect_whole(when + ", days later");
    EXPECT_TRUE(keys_of(*killed.memory, "trash/").empty()) << when;
    EXPECT_TRUE(list_damage_notes(*killed.memory).empty()) << when;
    EXPECT_TRUE(check(killed.repository(), {}).findings.empty()) << when;
  });
}

TEST_F(Damage, OfACutPackIsSeenByTheNextBackup) {
  scene.back_up(database);
  test::let_time_pass_since_last_look(scene.repository());
  std::string key = pack_key(pack_of(scene, database, 7));
  Bytes pack = scene.memory->get(key);
  pack.resize(pack.size() / 2);
  scene.memory->put(key, pack);
  BackupResult result = test::back_up(scene.repository(), database);
  EXPECT_FALSE(result.warnings.empty());
  EXPECT_EQ(give_back(scene.repository(), "latest~1"), state_of(database)) << "it healed";
}

TEST_F(Damage, ThatARestoreMeetsIsNotedAndHeals) {
  scene.back_up(database);
  test::let_time_pass_since_last_look(scene.repository());
  flip(scene, pack_of(scene, database, 7));
  test::error_of(Errc::damaged, [&] { give_back(scene.repository(), "latest"); });
  EXPECT_EQ(list_damage_notes(*scene.memory).size(), 1u);
  test::back_up(scene.repository(), database);
  EXPECT_EQ(give_back(scene.repository(), "latest~1"), state_of(database));
}

TEST_F(Damage, DoesNotCostTheDatabaseThatADeltaRestoreIsToChange) {
  scene.back_up(database);
  std::string bad = pack_of(scene, database, 7);
  LivingDatabase other(30);
  other.set_wal(test::WalBuilder().commit().bytes());
  other.write();
  Bytes before = other.bytes();
  auto restore_onto = [&] {
    RestoreOptions options;
    options.target = other.path();
    options.delta = true;
    restore(scene.repository(), find_snapshot(scene.repository(), "latest").snapshot, options);
  };
  for (std::uint64_t id = 0; id < 30; ++id) other.set_block(id, 9);
  other.write();
  before = other.bytes();
  flip(scene, bad);
  EXPECT_NE(test::error_of(Errc::damaged, restore_onto).find("is as it was"), std::string::npos);
  EXPECT_EQ(other.bytes(), before);
  scene.memory->remove(pack_key(bad));
  test::error_of(Errc::damaged, restore_onto);
  EXPECT_EQ(other.bytes(), before);
  EXPECT_TRUE(stat_path(other.path().string() + ".wal"));
}

TEST_F(Damage, OfTheConfigIsNoReasonForANewRepository) {
  scene.back_up(database);
  scene.memory->remove("config");
  scene.memory->remove("config-copy");
  test::error_of(Errc::damaged, [&] { open(scene.memory); });
  for (const std::optional<std::string>& password :
       {std::optional<std::string>(), std::optional<std::string>("a password")}) {
    test::error_of(Errc::damaged, [&] { Repository::create(scene.memory, password); });
  }
  EXPECT_TRUE(keys_of(*scene.memory, "keys/").empty());
}

TEST_F(Damage, IsFoundInARepositoryThatCannotBeWrittenToo) {
  scene.back_up(database);
  flip(scene, pack_of(scene, database, 7));
  auto read_only = std::make_shared<test::HookedStore>(
      scene.memory, [](std::size_t) { throw Error(Errc::io, "it is read-only"); });
  CheckOptions options;
  options.data = CheckOptions::Data::all;
  CheckReport report = check(open(read_only), options);
  EXPECT_EQ(report.findings.size(), 1u);
  ASSERT_FALSE(report.notes.empty());
  EXPECT_NE(report.notes.front().find("backups rely on it"), std::string::npos);
}

}  // namespace
}  // namespace duckback
