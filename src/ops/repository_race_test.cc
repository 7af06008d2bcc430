// Several at work on one repository, each standing still wherever a test wants it to, for days too
// (docs/format.md, "A backup, and what a crash leaves", "Prune, and why it never takes what a
// snapshot needs").
#include <gtest/gtest.h>

#include "ops/check.h"
#include "ops/forget_snapshots.h"
#include "ops/repair_index.h"
#include "ops/rewrite_snapshot.h"
#include "ops/sync_repository.h"
#include "ops/undelete.h"
#include "repo/chunk_writer.h"
#include "test/support/actor.h"
#include "test/support/error_of.h"
#include "test/support/repo_scene.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;
using test::Actor;
using test::kDayAndMore;
using test::keys_of;
using test::LivingDatabase;
using test::open;
using test::prune_once;
using test::Scene;
using test::state_of;

void set_all(LivingDatabase& database, std::uint64_t generation) {
  for (std::uint64_t id = 2; id < 8; ++id) database.set_block(id, generation);
  database.write();
}

Actor pruner(const Scene& scene, bool now = false) {
  return Actor(scene.memory, [now](std::shared_ptr<Store> store) {
    PruneOptions options;
    options.grace = kPruneGrace;
    options.now = now;
    prune(open(std::move(store)), options);
  });
}

// To the end; false if it refused, with one of the errors that say that others were at work.
bool succeeds(Actor& actor) {
  try {
    actor.finish();
    return true;
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == Errc::conflict || error.code() == Errc::no_snapshot)
        << error.what();
    return false;
  }
}

void step(Actor& actor, int steps) {
  for (int i = 0; i < steps && actor.step(); ++i) {
  }
}

bool is_live(const Scene& scene, const SnapshotName& name) {
  return scene.memory->exists(name.key);
}

bool is_trashed(const Scene& scene, const SnapshotName& name) {
  return scene.memory->exists("trash/" + name.key);
}

// A snapshot of generation 1, forgotten and its packs marked; one of generation 2; 25 hours later.
struct Due {
  LivingDatabase database;
  Scene scene;
  SnapshotName old;

  Due() {
    old = scene.back_up(database);
    set_all(database, 2);
    scene.back_up(database);
    scene.forget(old);
    prune_once(scene.repository());
    scene.wait(kDayAndMore);
  }
};

TEST(Race, AnIndexMadeBeforeAPackWentDoesNotBringItBack) {
  for (int days : {4, 12}) {
    Due due;
    Actor repair(due.scene.memory,
                 [](std::shared_ptr<Store> store) { repair_index(open(std::move(store)), {}); });
    ASSERT_TRUE(repair.run_until("put", "index/"));
    due.scene.prune_for_days(days);  // After a week its session is taken for dead.
    EXPECT_EQ(keys_of(*due.scene.memory, "trash/removed/").empty(), days > 7);
    repair.finish();
    set_all(due.database, 1);
    due.scene.back_up(due.database);
    due.scene.expect_whole(fmt::format("a repair that stood still for {} days", days));
    due.scene.prune_for_days(5);
    due.scene.expect_whole(fmt::format("a repair that stood still for {} days, later", days));
    EXPECT_TRUE(check(due.scene.repository(), {}).findings.empty()) << "the pack is listed no more";
    EXPECT_TRUE(keys_of(*due.scene.memory, "trash/").empty());
  }
}

TEST(Race, ABackupStoresAnewWhatAPackHadThatIsGone) {
  LivingDatabase database;
  Scene scene;
  scene.back_up(database);
  std::vector<std::string> packs = keys_of(*scene.memory, "packs/");
  set_all(database, 2);
  SnapshotName kept = scene.back_up(database);
  for (const std::string& key : packs) scene.memory->remove(key);
  set_all(database, 1);
  SnapshotName again = scene.back_up(database);
  Repository repository = scene.repository();
  for (const SnapshotName& name : {kept, again}) {
    // Block 0 is in a lost pack, and was never changed: nothing can bring it back.
    Index index(*scene.memory, repository.sealer());
    Snapshot snapshot = read_snapshot(*scene.memory, repository.sealer(), name);
    ChunkReader reader(*scene.memory, repository.sealer(), repository.namer(), index);
    MapReader map(snapshot.file, [&](const ChunkId& id) { return reader.read(id); });
    for (std::uint64_t id = 2; id < 8; ++id) {
      EXPECT_EQ(reader.read(map.leaf(0)->find(id)->chunk).size(), LivingDatabase::kBlockBytes);
    }
  }
}

// Which of two copies counts depends on names that are random: tried until both cases came.
TEST(Race, TwoPrunesThatChooseDifferentlyAmongTwoCopiesLeaveOne) {
  for (int i = 0; i < 12; ++i) {
    LivingDatabase database;
    Scene scene;
    scene.forget(scene.back_up(database));
    prune_once(scene.repository());
    std::vector<std::string> first = keys_of(*scene.memory, "trash/packs/");
    SnapshotName name = scene.back_up(database);  // Stores all of it a second time.
    scene.wait(kDayAndMore);
    Actor early = pruner(scene);
    ASSERT_TRUE(early.run_until("put", "trash/removed/"));
    // As one does that saw both copies, and no mark.
    for (const std::string& key : keys_of(*scene.memory, "packs/")) {
      std::string id = *pack_id_of(key);
      if (!scene.memory->exists("trash/packs/" + id)) put_mark(scene.repository(), id);
    }
    scene.wait(kDayAndMore);
    Actor late = pruner(scene);
    ASSERT_TRUE(late.run_until("remove", "trash/packs/"));
    early.finish();
    late.finish();
    scene.expect_whole("after both");
    scene.prune_for_days(5);
    scene.expect_whole("days later");
    EXPECT_TRUE(keys_of(*scene.memory, "trash/").empty());
    EXPECT_TRUE(is_live(scene, name));
  }
}

TEST(Race, AnUndeleteAndAPruneInAnyOrderLeaveNoHalfSnapshot) {
  Due base;
  bool undeleted = false;
  bool refused = false;
  for (int kill = 0; kill < 2; ++kill) {
    for (int first = 0;; ++first) {
      bool ended = false;
      for (int second = 0;; ++second) {
        Scene scene = base.scene.copy();
        Actor undo(scene.memory, [&](std::shared_ptr<Store> store) {
          undelete(open(std::move(store)), {base.old.id});
        });
        step(undo, first);
        ended = undo.ended();
        Actor prune = pruner(scene);
        step(prune, second);
        bool all = prune.ended();
        step(undo, 1);
        std::string when = fmt::format("{} steps of undelete, {} of prune", first, second);
        if (kill == 1) {
          prune.finish();
          undo.kill();
        } else {
          (succeeds(undo) ? undeleted : refused) = true;
          prune.finish();
        }
        scene.expect_whole(when);
        scene.prune_for_days(kill == 1 ? 10 : 2);
        scene.expect_whole(when + ", days later");
        if (testing::Test::HasFailure()) return;
        if (all) break;
      }
      if (ended) break;
    }
  }
  EXPECT_TRUE(undeleted);
  EXPECT_TRUE(refused);
}

TEST(Race, TwoWhoForgetAndUndeleteLeaveTheSnapshotOnOneSide) {
  using Body = std::function<void(const Repository&)>;
  LivingDatabase database;
  Scene base;
  SnapshotName name = base.back_up(database);
  set_all(database, 2);
  base.back_up(database);
  Body forget = [&](const Repository& repository) {
    forget_snapshots(repository, {name.id}, false);
  };
  Body undo = [&](const Repository& repository) { undelete(repository, {name.id}); };
  Scene both = base.copy();  // As a killed forget leaves it.
  both.memory->put("trash/" + name.key, both.memory->get(name.key));
  Scene trashed = base.copy();
  trashed.forget(name);
  for (const Scene& start : {both, trashed}) {
    for (const auto& [one, other] :
         {std::pair(forget, undo), std::pair(undo, forget), std::pair(undo, undo)}) {
      for (int first = 0;; ++first) {
        bool ended = false;
        for (int second = 0;; ++second) {
          Scene scene = start.copy();
          auto actor = [&scene](const Body& body) {
            return std::make_unique<Actor>(scene.memory, [&body](std::shared_ptr<Store> store) {
              body(open(std::move(store)));
            });
          };
          std::unique_ptr<Actor> a = actor(one);
          step(*a, first);
          ended = a->ended();
          std::unique_ptr<Actor> b = actor(other);
          step(*b, second);
          bool all = b->ended();
          succeeds(*a);
          succeeds(*b);
          EXPECT_TRUE(is_live(scene, name) || is_trashed(scene, name))
              << first << " steps of one, " << second << " of the other";
          if (testing::Test::HasFailure()) return;
          if (all) break;
        }
        if (ended) break;
      }
    }
  }
}

TEST(Race, ASnapshotForgottenAndPrunedAtOnceWhileItIsTaggedIsWholeOrGone) {
  LivingDatabase database;
  Scene base;
  SnapshotName name = base.back_up(database);
  set_all(database, 2);
  base.back_up(database);
  for (int steps = 0;; ++steps) {
    Scene scene = base.copy();
    FoundSnapshot found = find_snapshot(scene.repository(), name.id);
    Actor tag(scene.memory, [&](std::shared_ptr<Store> store) {
      rewrite_snapshot(open(std::move(store)), found,
                       [](Snapshot& snapshot) { snapshot.tags = {"good"}; });
    });
    step(tag, steps);
    bool ended = tag.ended();
    for (const FoundSnapshot& one : read_snapshots(scene.repository())) {
      scene.states.try_emplace(one.name.id, scene.states.at(one.snapshot.original));
    }
    if (is_live(scene, name)) scene.forget(name);
    pruner(scene, true).finish();
    bool done = succeeds(tag);
    for (const FoundSnapshot& one : read_snapshots(scene.repository())) {
      scene.states.try_emplace(one.name.id, scene.states.at(one.snapshot.original));
    }
    scene.expect_whole(fmt::format("{} steps of tag", steps));
    EXPECT_EQ(scene.snapshots(), done ? 2u : 1u) << steps;
    if (ended || testing::Test::HasFailure()) break;
  }
}

TEST(Race, TwoWhoTagTheSameSnapshotLoseNone) {
  LivingDatabase database;
  Scene base;
  SnapshotName name = base.back_up(database);
  bool refused = false;
  for (int steps = 0;; ++steps) {
    Scene scene = base.copy();
    FoundSnapshot found = find_snapshot(scene.repository(), name.id);
    auto tag = [&](const std::string& what) {
      return std::make_unique<Actor>(scene.memory, [&found, what](std::shared_ptr<Store> store) {
        rewrite_snapshot(open(std::move(store)), found,
                         [&](Snapshot& snapshot) { snapshot.tags = {what}; });
      });
    };
    std::unique_ptr<Actor> one = tag("one");
    step(*one, steps);
    bool ended = one->ended();
    bool second = succeeds(*tag("two"));
    bool first = succeeds(*one);
    EXPECT_TRUE(first || second) << steps;
    // As a crash does: both stay where each looked before the other was done.
    EXPECT_EQ(scene.snapshots(), first && second ? 2u : 1u) << steps;
    refused = refused || !(first && second);
    if (ended || testing::Test::HasFailure()) break;
  }
  EXPECT_TRUE(refused);
}

TEST(Race, WhatAForgetThatStoodStillPutsIntoTrashWithoutItsPacksStaysThere) {
  Due due;
  Bytes bytes = due.scene.memory->get("trash/" + due.old.key);
  due.scene.prune_for_days(1);
  ASSERT_FALSE(is_trashed(due.scene, due.old));
  due.scene.memory->put("trash/" + due.old.key, bytes);
  test::error_of(Errc::damaged, [&] { undelete(due.scene.repository(), {due.old.id}); });
  EXPECT_FALSE(is_live(due.scene, due.old));
  due.scene.prune_for_days(3);
  EXPECT_TRUE(keys_of(*due.scene.memory, "trash/").empty());
}

// It stood still for days, and is refused; nothing is damaged.
TEST(Race, ABackupWhoseIndexWentIntoAnotherFindsNoDamage) {
  LivingDatabase database;
  Scene scene;
  scene.back_up(database);
  {
    Repository repository = scene.repository();
    for (std::uint8_t i = 0; i < 20; ++i) {
      Index index(*scene.memory, repository.sealer());
      ChunkWriter writer(*scene.memory, repository.sealer(), repository.namer(), index,
                         Compression::off);
      writer.put(Bytes(100, i), ObjectKind::data_pack);
      writer.flush();
    }
  }
  database.set_block(5, 100);
  database.write();
  Actor backup(scene.memory,
               [&](std::shared_ptr<Store> store) { back_up(open(std::move(store)), database, 1); });
  ASSERT_TRUE(backup.run_until("put", "index/"));
  std::string index = backup.next()->key;
  backup.step();
  scene.prune_for_days(3);
  ASSERT_FALSE(scene.memory->exists(index));
  EXPECT_FALSE(succeeds(backup));
  EXPECT_EQ(scene.snapshots(), 1u);
}

// The parent came back before its packs lost their mark, so the mark is older than the backup, and
// no prune waits for it.
TEST(Race, ABackupThatStoodStillDoesNotOutliveAParentWhosePacksHadAnOldMark) {
  LivingDatabase database;
  Scene scene;
  SnapshotName parent = scene.back_up(database);
  scene.forget(parent);
  prune_once(scene.repository());
  scene.wait(23h);
  undelete(scene.repository(), {parent.id});
  scene.wait(1min);
  database.set_block(5, 2);
  database.write();
  Actor backup(scene.memory,
               [&](std::shared_ptr<Store> store) { back_up(open(std::move(store)), database); });
  ASSERT_TRUE(backup.run_until("put", "snapshots/"));
  scene.forget(parent);
  scene.wait(kDayAndMore);
  prune_once(scene.repository());
  ASSERT_FALSE(is_trashed(scene, parent));
  EXPECT_FALSE(succeeds(backup));
  EXPECT_EQ(scene.snapshots(), 0u);
}

// Both give it the same name, which is that of the source.
TEST(Race, ASyncDoesNotTakeBackTheSnapshotThatAnotherOneMade) {
  LivingDatabase database;
  Scene from;
  from.back_up(database);
  Scene to;
  SyncOptions options;
  options.grace = kPruneGrace;
  sync_repository(from.repository(), to.repository(), options);
  ASSERT_EQ(to.snapshots(), 1u);
  SnapshotName first = list_snapshots(*to.memory).front();
  database.set_block(5, 2);
  database.write();
  from.wait(1min);
  from.back_up(database);
  Actor slow(to.memory, [&](std::shared_ptr<Store> store) {
    sync_repository(from.repository(), open(std::move(store)), options);
  });
  ASSERT_TRUE(slow.run_until("create", "snapshots/"));
  sync_repository(from.repository(), to.repository(), options);
  ASSERT_EQ(to.snapshots(), 2u);
  to.forget(first);
  EXPECT_FALSE(succeeds(slow));
  EXPECT_EQ(to.snapshots(), 1u);
}

}  // namespace
}  // namespace duckback
