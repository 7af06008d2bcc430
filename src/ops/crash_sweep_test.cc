// Operations killed at every step: what was there is there, nothing is found wrong, and the same
// operation succeeds when it is run again (docs/format.md).
#include <gtest/gtest.h>

#include "ops/check.h"
#include "ops/repair_index.h"
#include "ops/rewrite_snapshot.h"
#include "ops/sync_repository.h"
#include "repo/key.h"
#include "test/support/repo_scene.h"

namespace duckback {
namespace {

using test::give_back;
using test::keys_of;
using test::kill_everywhere;
using test::LivingDatabase;
using test::open;
using test::prune_once;
using test::runs_to_end;
using test::Scene;
using test::state_of;

// A config or a key without its copy is all that may be found: until that is put, or when it is all
// that is left, the other one does.
bool is_half_of_a_pair(const Repository& repository, const CheckFinding& finding) {
  std::string key = finding.object;
  std::string other = key == "config-copy"            ? "config"
                      : key.starts_with("keys-copy/") ? "keys/" + key.substr(10)
                      : key.starts_with("keys/")      ? "keys-copy/" + key.substr(5)
                                                      : "";
  return finding.text.starts_with("is missing; ") && repository.store().exists(other);
}

void expect_good(const Repository& repository, const std::string& when) {
  CheckOptions options;
  options.data = CheckOptions::Data::all;
  for (const CheckFinding& finding : check(repository, options).findings) {
    if (is_half_of_a_pair(repository, finding)) continue;
    ADD_FAILURE() << when << ": " << finding.object << ": " << finding.text;
  }
}

// What a tag or a sync makes gives back what its first one did.
void learn(Scene& scene) {
  for (const FoundSnapshot& one : read_snapshots(scene.repository())) {
    scene.states.try_emplace(one.name.id, scene.states.at(one.snapshot.original));
  }
}

using Operation = std::function<void(const Repository&)>;

// Kills it everywhere; `rerun` is the same where it can be asked for only once.
void sweep(const Scene& base, const Operation& operation, const Operation& rerun = nullptr) {
  kill_everywhere(base, operation, [&](Scene& scene, const std::string& when) {
    learn(scene);
    scene.expect_whole(when);
    expect_good(scene.repository(), when);
    (rerun ? rerun : operation)(scene.repository());
    learn(scene);
    scene.expect_whole(when + ", run again");
    expect_good(scene.repository(), when + ", run again");
  });
}

void change(LivingDatabase& database, std::uint64_t begin, std::uint64_t end,
            std::uint64_t generation) {
  for (std::uint64_t id = begin; id < end; ++id) database.set_block(id, generation);
  database.write();
}

TEST(CrashSweep, ARepairOfTheIndex) {
  LivingDatabase database;
  Scene scene;
  scene.back_up(database);
  change(database, 2, 6, 2);
  scene.back_up(database);
  sweep(scene, [](const Repository& repository) { repair_index(repository, {}); });
}

TEST(CrashSweep, ARepairOfAnIndexThatIsLost) {
  LivingDatabase database;
  Scene base;
  base.back_up(database);
  change(database, 2, 6, 2);
  base.back_up(database);
  for (const std::string& key : keys_of(*base.memory, "index/")) base.memory->remove(key);
  kill_everywhere(
      base, [](const Repository& repository) { repair_index(repository, {}); },
      [&](Scene& scene, const std::string& when) {
        repair_index(scene.repository(), {});
        scene.expect_whole(when);
        expect_good(scene.repository(), when);
      });
}

TEST(CrashSweep, ATagAndAPin) {
  LivingDatabase database;
  Scene scene;
  scene.back_up(database);
  change(database, 2, 6, 2);
  scene.back_up(database);
  auto rewrite = [](const std::string& reference) {
    return [reference](const Repository& repository) {
      rewrite_snapshot(repository, find_snapshot(repository, reference), [](Snapshot& snapshot) {
        snapshot.tags = {"kept"};
        snapshot.pinned = true;
      });
    };
  };
  sweep(scene, rewrite("latest"));
  sweep(scene, rewrite("latest~1"), rewrite("latest"));
}

// A day after what has little life was forgotten, or at once.
TEST(CrashSweep, APruneThatRepacks) {
  LivingDatabase database(30);
  Scene scene;
  SnapshotName first = scene.back_up(database);
  change(database, 2, 27, 2);
  scene.back_up(database);
  scene.forget(first);
  ASSERT_GT(prune_once(scene.copy().repository()).repacked_packs, 0u);
  for (bool now : {false, true}) {
    sweep(scene, [now](const Repository& repository) {
      // What a killed one leaves counts as another session, until its week is over.
      PruneOptions options;
      options.grace = kPruneGrace;
      options.now = now;
      options.session_lifetime = {};
      EXPECT_EQ(prune(repository, options).waits_for, "");
    });
  }
}

TEST(CrashSweep, APruneThatMergesIndexes) {
  LivingDatabase database;
  Scene scene;
  for (std::uint64_t i = 0; i < 20; ++i) {
    change(database, 5, 6, i + 2);
    SnapshotName name = scene.back_up(database);
    if (i < 17) scene.forget(name);
  }
  ASSERT_GT(keys_of(*scene.memory, "index/").size(), 16u);
  sweep(scene, [](const Repository& repository) { prune_once(repository); });
  // And one that removes packs, and what was merged.
  prune_once(scene.repository());
  scene.wait(test::kDayAndMore);
  std::size_t before = keys_of(*scene.memory, "index/").size();
  sweep(scene, [](const Repository& repository) { prune_once(repository); });
  scene.prune_for_days(2);
  EXPECT_LT(keys_of(*scene.memory, "index/").size(), before);
}

TEST(CrashSweep, ASyncToAnotherRepository) {
  LivingDatabase database;
  Scene from;
  from.back_up(database);
  change(database, 2, 6, 2);
  database.set_wal(test::WalBuilder().commit().bytes());
  database.write();
  from.back_up(database);
  Scene to;
  LivingDatabase own;
  to.back_up(own);
  to.states.insert(from.states.begin(), from.states.end());
  sweep(to, [&](const Repository& repository) {
    SyncOptions options;
    options.grace = kPruneGrace;
    EXPECT_TRUE(sync_repository(from.repository(), repository, options).damaged.empty());
    EXPECT_EQ(list_snapshots(repository.store()).size(), 3u);
  });
}

// An init that was killed left either a repository, or what does not hinder the next.
TEST(CrashSweep, AnInit) {
  for (const std::optional<std::string>& password :
       {std::optional<std::string>(), std::optional<std::string>("a password")}) {
    for (bool unacknowledged : {false, true}) {
      for (std::size_t step = 0;; ++step) {
        auto memory = std::make_shared<MemoryStore>();
        auto dying = std::make_shared<DyingStore>(*memory, step, unacknowledged);
        bool finished = runs_to_end([&] { Repository::create(dying, password); });
        std::string when = fmt::format("killed at mutation {}", step);
        if (!memory->exists("config")) Repository::create(memory, password);
        Repository repository = Repository::open(memory, password);
        // Nor is the key of a repository that never was one of this; its own was put before config.
        for (const CheckFinding& finding : check(repository, {}).findings) {
          EXPECT_EQ(finding.object, "config-copy") << when;
        }
        expect_good(repository, when);
        LivingDatabase database;
        test::back_up(repository, database);
        EXPECT_TRUE(give_back(repository, "latest") == state_of(database)) << when;
        if (finished || testing::Test::HasFailure()) break;
      }
    }
  }
}

// An encrypted repository with two passwords, "one" and "two", whose keys cost little.
struct Locked {
  static constexpr KdfCost kCheap{.n = 1 << 10, .r = 1, .p = 1};
  std::shared_ptr<MemoryStore> memory = std::make_shared<MemoryStore>();
  Secret master = Secret::random();
  Config config{.id = random_id(), .created = {}, .encrypted = true, .secret = {}};
  LivingDatabase database;
  std::string key_of_two;

  Locked() {
    add_key(*memory, config.id, master, "one", kCheap);
    key_of_two = add_key(*memory, config.id, master, "two", kCheap);
    create_config(*memory, config);
    test::back_up(Repository::open(memory, "one"), database);
  }
};

bool opens(const std::shared_ptr<Store>& store, const std::string& password) {
  try {
    Repository::open(store, password);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::wrong_password) << error.what();
    return false;
  }
}

// `operation` gets the store, and may be run again after it was killed.
void sweep_keys(const std::function<void(const Locked&, Store&)>& operation,
                const std::set<std::string>& stay, const std::set<std::string>& go) {
  Locked base;
  for (bool unacknowledged : {false, true}) {
    for (std::size_t step = 0;; ++step) {
      auto memory = std::make_shared<MemoryStore>(*base.memory);
      DyingStore dying(*memory, step, unacknowledged);
      bool finished = runs_to_end([&] { operation(base, dying); });
      std::string when = fmt::format("killed at mutation {}", step);
      for (const std::string& password : stay) EXPECT_TRUE(opens(memory, password)) << when;
      Repository repository = Repository::open(memory, *stay.begin());
      expect_good(repository, when);
      EXPECT_TRUE(give_back(repository, "latest") == state_of(base.database)) << when;
      if (!finished) operation(base, *memory);
      for (const std::string& password : stay) EXPECT_TRUE(opens(memory, password)) << when;
      for (const std::string& password : go) EXPECT_FALSE(opens(memory, password)) << when;
      expect_good(Repository::open(memory, *stay.begin()), when + ", run again");
      if (finished) {
        EXPECT_GT(step, 0u);
        break;
      }
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(CrashSweep, AKeyIsAdded) {
  sweep_keys(
      [](const Locked& locked, Store& store) {
        add_key(store, locked.config.id, locked.master, "three", Locked::kCheap);
        EXPECT_EQ(open_key(store, locked.config.id, "three").master.bytes().size(), Secret::kBytes);
      },
      {"one", "two"}, {});
}

TEST(CrashSweep, AKeyIsRemoved) {
  sweep_keys(
      [](const Locked& locked, Store& store) {
        try {
          remove_key(store, locked.config.id, locked.key_of_two);
        } catch (const Error& error) {
          // Gone, and the answer was lost.
          EXPECT_EQ(error.code(), Errc::not_found) << error.what();
        }
      },
      {"one"}, {"two"});
}

// As `duckback key passwd` does it: whoever is killed goes on with the old password or the new one.
TEST(CrashSweep, APasswordIsChanged) {
  sweep_keys(
      [](const Locked& locked, Store& store) {
        std::string old;
        try {
          old = open_key(store, locked.config.id, "two").key_id;
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), Errc::wrong_password) << error.what();
          EXPECT_EQ(open_key(store, locked.config.id, "new").key_id.size(), 32u);
          return;
        }
        add_key(store, locked.config.id, locked.master, "new", Locked::kCheap);
        remove_key(store, locked.config.id, old);
      },
      {"one"}, {"two"});
}

}  // namespace
}  // namespace duckback
