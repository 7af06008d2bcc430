// Backups, prunes, and whoever else works on a repository, in random order, step by step, some
// standing still for days, some killed, under a clock that jumps (docs/format.md, "Prune, and why
// it never takes what a snapshot needs"). After every step every snapshot that was made can be
// given back. DUCKBACK_SIMULATION=SEED[:STEPS] runs one, longer if that is asked for.
#include <gtest/gtest.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <unordered_set>

#include "ops/check.h"
#include "ops/forget_snapshots.h"
#include "ops/repair_index.h"
#include "ops/rewrite_snapshot.h"
#include "ops/sync_repository.h"
#include "ops/undelete.h"
#include "repo/damage.h"
#include "test/support/actor.h"
#include "test/support/repo_scene.h"

namespace {

// While a simulation runs, what it and the repository draw comes from its seed: so the names of
// packs, which decide among copies, are the same the next time.
std::mutex random_mutex;
std::mt19937_64* seeded_random = nullptr;

}  // namespace

extern "C" ssize_t getrandom(void* to, std::size_t count, unsigned int flags) {
  std::lock_guard lock(random_mutex);
  if (seeded_random == nullptr) return ::syscall(SYS_getrandom, to, count, flags);
  auto* bytes = static_cast<std::uint8_t*>(to);
  for (std::size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<std::uint8_t>((*seeded_random)());
  }
  return static_cast<ssize_t>(count);
}

namespace duckback {
namespace {

using namespace std::chrono_literals;
using test::Actor;
using test::give_back;
using test::keys_of;
using test::LivingDatabase;
using test::open;
using test::Restored;
using test::state_of;

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed), names_(seed) {
    std::lock_guard lock(random_mutex);
    seeded_random = &names_;
  }
  ~Simulation() {
    workers_.clear();
    std::lock_guard lock(random_mutex);
    seeded_random = nullptr;
  }

  void run(std::size_t steps) {
    memory_ = std::make_shared<MemoryStore>();
    Repository::create(memory_, std::nullopt);
    Repository::create(other_, std::nullopt);
    repository_.emplace(open(memory_));
    for (Source& source : sources_) change(source);
    std::vector<std::string> history;
    for (step_ = 0; step_ < steps && !testing::Test::HasFailure(); ++step_) {
      log_.clear();
      one_step();
      history.push_back(fmt::format("{} {}", step_, log_));
      if (step_ % 500 == 499) expect_all_given_back();
    }
    if (testing::Test::HasFailure()) {
      std::string last;
      std::size_t from = history.size() - std::min<std::size_t>(history.size(), kHistory);
      for (std::size_t i = from; i < history.size(); ++i) last += history[i] + "\n";
      ADD_FAILURE() << "what went before:\n" << last;
    }
    if (!testing::Test::HasFailure()) end();
  }

  // How much of what this is about came to pass.
  std::map<std::string, std::size_t> counts() const { return counts_; }

 private:
  static constexpr std::size_t kHistory = 1500;

  struct Source {
    LivingDatabase database{10};
    bool busy = false;
  };
  struct Worker {
    std::string what;
    std::size_t number = 0;
    std::size_t sleeps_until = 0;  // a step
    Source* source = nullptr;
    Restored state;  // of the source
    std::unique_ptr<Actor> actor;
    // Of a backup: made, and known to be whole or to be taken back.
    std::string created;
    // Something was taken back while it ran, which it may have listed before.
    bool saw_taken_back = false;

    std::string name() const { return fmt::format("{} {}", what, number); }
  };
  std::size_t up_to(std::size_t most) { return random_() % (most + 1); }
  bool one_in(std::size_t n) { return random_() % n == 0; }

  // Few contents, in any block of any database: what was there comes again and again.
  void change(Source& source) {
    for (std::size_t i = up_to(4); i > 0; --i) {
      Bytes payload(64);
      store_le(payload.data(), up_to(12));
      source.database.set_block(2 + up_to(7), payload);
    }
    source.database.write(one_in(2));
  }

  void one_step() {
    std::size_t dice = up_to(99);
    if (dice < 4) {
      tick();
    } else if (dice < 5 && one_in(4) && !workers_.empty()) {
      kill(up_to(workers_.size() - 1));
    } else if (workers_.empty() || (dice < 12 && workers_.size() < 8)) {
      start();
    } else {
      // The same one for a while, mostly, so that it comes to an end while others stand still.
      std::vector<std::size_t> awake;
      for (std::size_t i = 0; i < workers_.size(); ++i) {
        if (workers_[i].sleeps_until <= step_) awake.push_back(i);
      }
      if (awake.empty()) return start();
      bool on = std::find(awake.begin(), awake.end(), favourite_) != awake.end();
      if (!on || one_in(8)) favourite_ = awake[up_to(awake.size() - 1)];
      if (one_in(80)) workers_[favourite_].sleeps_until = step_ + up_to(1500);
      advance(favourite_);
    }
  }

  void tick() {
    std::chrono::minutes by{1 + up_to(60)};
    if (one_in(5)) by = 20h + std::chrono::minutes(up_to(600));
    if (one_in(60)) by = std::chrono::hours(24 * (2 + up_to(20)));
    if (one_in(50)) by = -by;
    log_ = fmt::format("{} minutes", by.count());
    memory_->advance_clock(by);
  }

  void start() {
    Worker worker;
    std::size_t dice = up_to(99);
    if (dice < 40) {
      for (Source& source : sources_) {
        if (!source.busy && (worker.source == nullptr || one_in(2))) worker.source = &source;
      }
      if (worker.source == nullptr) return;
      change(*worker.source);
      worker.what = "backup";
      worker.source->busy = true;
      worker.state = state_of(worker.source->database);
    } else if (dice < 62) {
      worker.what = "prune";
    } else if (dice < 67) {
      worker.what = "prune --now";
    } else if (dice < 80) {
      worker.what = "forget";
    } else if (dice < 88) {
      worker.what = "undelete";
    } else if (dice < 91) {
      worker.what = "tag";
    } else if (dice < 94) {
      worker.what = "repair";
    } else if (dice < 97) {
      worker.what = "note";
    } else {
      worker.what = "sync";
      BackupResult made = back_up_elsewhere();
      known_.emplace(made.snapshot.id, state_of(elsewhere_.database));
    }
    worker.number = ++started_;
    log_ = worker.name() + " starts";
    worker.actor = std::make_unique<Actor>(memory_, body_of(worker));
    workers_.push_back(std::move(worker));
  }

  BackupResult back_up_elsewhere() {
    change(elsewhere_);
    return test::back_up(open(other_), elsewhere_.database, 1);
  }

  Actor::Body body_of(const Worker& worker) {
    std::uint64_t choice = random_();
    if (worker.what == "backup") {
      return [source = worker.source](std::shared_ptr<Store> store) {
        test::back_up(open(std::move(store)), source->database, 1);
      };
    }
    if (worker.what.starts_with("prune")) {
      return [now = worker.what != "prune"](std::shared_ptr<Store> store) {
        PruneOptions options;
        options.grace = kPruneGrace;
        options.now = now;
        prune(open(std::move(store)), options);
      };
    }
    if (worker.what == "sync") {
      return [other = other_](std::shared_ptr<Store> store) {
        SyncOptions options;
        options.grace = kPruneGrace;
        sync_repository(open(other), open(std::move(store)), options);
      };
    }
    if (worker.what == "note") {
      // As by checks that find a pack damaged, or whole again. Whoever chooses among packs with the
      // same chunks chooses otherwise from now on.
      return [choice](std::shared_ptr<Store> store) {
        std::vector<std::string> packs = keys_of(*store, "packs/");
        if (packs.empty()) return;
        std::string id = *pack_id_of(packs[choice % packs.size()]);
        if (list_damage_notes(*store).contains(id)) return remove_damage_note(*store, id);
        put_damage_note(open(store), id);
      };
    }
    if (worker.what == "repair") {
      return [](std::shared_ptr<Store> store) { repair_index(open(std::move(store)), {}); };
    }
    if (worker.what == "undelete") {
      return [choice](std::shared_ptr<Store> store) {
        std::vector<SnapshotName> trash = list_trashed_snapshots(*store);
        if (!trash.empty()) undelete(open(store), {trash[choice % trash.size()].id});
      };
    }
    return [choice, tag = worker.what == "tag"](std::shared_ptr<Store> store) {
      Repository repository = open(store);
      std::vector<FoundSnapshot> all = read_snapshots(repository);
      if (all.empty()) return;
      const FoundSnapshot& one = all[choice % all.size()];
      if (tag) {
        rewrite_snapshot(repository, one,
                         [&](Snapshot& snapshot) { snapshot.tags = {std::to_string(choice)}; });
      } else {
        forget_snapshots(repository, {one.name.id}, false);
      }
    };
  }

  void advance(std::size_t number) {
    Worker& worker = workers_[number];
    std::optional<Actor::Call> call = worker.actor->next();
    if (!call) {
      finish(number);
      return;
    }
    log_ = fmt::format("{}: {} {}", worker.name(), call->verb, call->key);
    worker.actor->step();
    if (call->verb == "put" && call->key.starts_with("snapshots/")) {
      learn(call->key, worker);
    } else if (call->verb == "remove" && call->key == worker.created) {
      worker.created.clear();
      for (Worker& each : workers_) each.saw_taken_back = true;
      ++counts_["taken back"];
    }
    if (call->verb != "list") expect_whole();
  }

  // What was made, as soon as it is there; what turns out to be of what is gone must go again.
  // (Of an undelete it may be, that stood still for longer than sessions live.)
  void learn(const std::string& key, Worker& worker) {
    worker.created = key;
    for (const SnapshotName& name : list_snapshots(*memory_)) {
      if (name.key != key) continue;
      Snapshot snapshot = read_snapshot(*memory_, repository_->sealer(), name);
      if (worker.what == "backup") known_.emplace(snapshot.id, worker.state);
      pending_.insert(key);
    }
  }

  void finish(std::size_t number) {
    Worker& worker = workers_[number];
    log_ = worker.name() + " ends";
    bool done = true;
    try {
      worker.actor->finish();
    } catch (const Error& error) {
      done = false;
      // A tag, a forget or an undelete may find gone what it had seen a moment ago.
      bool others = error.code() == Errc::conflict || error.code() == Errc::no_snapshot ||
                    error.code() == Errc::refused || error.code() == Errc::not_found;
      // As may whoever holds an index for longer than a day.
      bool late =
          error.code() == Errc::damaged &&
          std::string(error.what()).find("has gone since it was opened") != std::string::npos;
      // And whoever was taken for dead a moment after it began.
      bool dead = error.code() == Errc::io &&
                  std::string(error.what()).find("was put and is not listed") != std::string::npos;
      // Or reads what was made of what is gone, before its maker takes it back.
      bool read_broken = error.code() == Errc::damaged &&
                         (worker.what == "undelete" || worker.saw_taken_back ||
                          !std::all_of(pending_.begin(), pending_.end(),
                                       [&](const std::string& key) { return is_whole(key); }));
      if (!others && !late && !dead && !read_broken)
        ADD_FAILURE() << worker.what << ": " << error.what();
    }
    ++counts_[worker.what + (done ? "" : " refused")];
    retire(number);
  }

  void kill(std::size_t number) {
    Worker& worker = workers_[number];
    // Killed just after it made what is gone, before it looked once more, a backup that had stood
    // still for days leaves it: nobody can help that.
    if (!worker.created.empty() && pending_.contains(worker.created) && !is_whole(worker.created)) {
      return;
    }
    log_ = worker.name() + " is killed";
    ++counts_["killed"];
    worker.actor->kill();
    retire(number);
  }

  void retire(std::size_t number) {
    Worker& worker = workers_[number];
    if (worker.source != nullptr) worker.source->busy = false;
    worker.actor.reset();
    pending_.erase(worker.created);
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(number));
    expect_whole();
  }

  // Where chunks are: in packs that an index lists and that are there.
  std::unordered_set<ChunkId> reachable() const {
    std::set<std::string> there;
    memory_->list("packs/", [&](const ObjectInfo& object) {
      if (std::optional<std::string> id = pack_id_of(object.key)) there.insert(*id);
    });
    std::unordered_set<ChunkId> chunks;
    Index index(*memory_, repository_->sealer());
    for (const auto& file : index.files()) {
      file->for_each([&](std::uint64_t, const ChunkPlace& place) {
        if (there.contains(place.pack->id)) chunks.insert(place.chunk.id);
      });
    }
    return chunks;
  }

  // The chunks it needs; nothing if they are not all there.
  std::optional<std::unordered_set<ChunkId>> walk(const SnapshotName& name) const {
    try {
      Snapshot snapshot = read_snapshot(*memory_, repository_->sealer(), name);
      Index index(*memory_, repository_->sealer());
      ChunkReader reader(*memory_, repository_->sealer(), repository_->namer(), index);
      std::unordered_set<ChunkId> chunks{snapshot.head};
      for (const MapRef* map : {&snapshot.file, &snapshot.wal}) {
        walk_map(
            *map, [&](const ChunkId& id) { return reader.read(id); },
            [&](const ChunkId& id, std::uint32_t) {
              chunks.insert(id);
              return true;
            },
            [&](std::uint64_t, const ChunkId&, const MapLeaf& leaf) {
              leaf.for_each(
                  [&](std::size_t, const MapEntry& entry) { chunks.insert(entry.chunk); });
            });
      }
      return chunks;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::damaged) << error.what();
      return std::nullopt;
    }
  }

  bool is_whole(const std::string& key) const {
    std::unordered_set<ChunkId> there = reachable();
    for (const SnapshotName& name : list_snapshots(*memory_)) {
      if (name.key != key) continue;
      auto needed = walk(name);
      return needed && std::all_of(needed->begin(), needed->end(),
                                   [&](const ChunkId& id) { return there.contains(id); });
    }
    return true;
  }

  void expect_whole() {
    std::unordered_set<ChunkId> there = reachable();
    for (const SnapshotName& name : list_snapshots(*memory_)) {
      if (pending_.contains(name.key)) continue;
      auto found = needs_.find(name.id);
      if (found == needs_.end()) {
        auto needed = walk(name);
        if (!needed) {
          ADD_FAILURE() << "snapshot " << name.id << " cannot be read";
          continue;
        }
        found = needs_.emplace(name.id, std::move(*needed)).first;
      }
      bool whole = std::all_of(found->second.begin(), found->second.end(),
                               [&](const ChunkId& id) { return there.contains(id); });
      EXPECT_TRUE(whole) << "snapshot " << name.id;
    }
  }

  void expect_all_given_back() {
    for (const FoundSnapshot& found : read_snapshots(*repository_)) {
      if (pending_.contains(found.name.key)) continue;
      ++counts_["given back"];
      auto known = known_.find(found.snapshot.original);
      ASSERT_NE(known, known_.end());
      EXPECT_TRUE(give_back(*repository_, found.snapshot) == known->second) << found.name.id;
    }
  }

  // Everybody comes to an end, and in the end nothing is left over.
  void end() {
    while (!workers_.empty() && !testing::Test::HasFailure()) advance(0);
    for (int day = 0; day < 60 && !testing::Test::HasFailure(); ++day) {
      memory_->advance_clock(test::kDayAndMore);
      test::prune_once(*repository_);
    }
    expect_whole();
    expect_all_given_back();
    for (const CheckFinding& finding : check(*repository_, {}).findings) {
      ADD_FAILURE() << finding.object << ": " << finding.text;
    }
    EXPECT_TRUE(list_damage_notes(*memory_).empty()) << "all that is there is whole";
    EXPECT_TRUE(keys_of(*memory_, "sessions/").empty());
    EXPECT_TRUE(keys_of(*memory_, "trash/").empty());
  }

  std::mt19937_64 random_;
  std::mt19937_64 names_;
  std::shared_ptr<MemoryStore> memory_;
  std::shared_ptr<MemoryStore> other_ = std::make_shared<MemoryStore>();
  std::optional<Repository> repository_;
  Source sources_[4];
  Source elsewhere_;
  std::size_t favourite_ = 0;
  std::size_t step_ = 0;
  std::size_t started_ = 0;
  std::string log_;
  std::map<std::string, Restored> known_;                     // by the first id
  std::map<std::string, std::unordered_set<ChunkId>> needs_;  // by id
  std::set<std::string> pending_;                             // made, and not looked at again
  std::map<std::string, std::size_t> counts_;
  std::vector<Worker> workers_;
};

void simulate(std::uint64_t seed, std::size_t steps) {
  SCOPED_TRACE(fmt::format("DUCKBACK_SIMULATION={}:{}", seed, steps));
  Simulation simulation(seed);
  simulation.run(steps);
  std::string counts;
  for (const auto& [what, count] : simulation.counts()) {
    counts += fmt::format("{} {}, ", count, what);
  }
  testing::Test::RecordProperty("counts", counts);
}

TEST(PruneSimulation, EverySnapshotThatWasMadeCanBeGivenBackAfterEveryStep) {
  if (const char* given = std::getenv("DUCKBACK_SIMULATION")) {
    char* end = nullptr;
    std::uint64_t seed = std::strtoull(given, &end, 10);
    simulate(seed, *end == ':' ? std::strtoull(end + 1, nullptr, 10) : 4000);
    return;
  }
  std::uint64_t seed = std::random_device()();
  for (int i = 0; i < 3 && !HasFailure(); ++i) simulate(seed + static_cast<std::uint64_t>(i), 3000);
}

}  // namespace
}  // namespace duckback
