// The golden repositories are read forever. What they hold is stated in make_repository.sh.

#include <gtest/gtest.h>

#include <fstream>

#include "ops/check.h"
#include "ops/diff_snapshots.h"
#include "ops/restore.h"
#include "ops/undelete.h"
#include "repo/index.h"
#include "repo/mark.h"
#include "store/directory_store.h"
#include "test/support/error_of.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

// As on a disk that nobody may write to.
class ReadOnlyStore : public Store {
 public:
  explicit ReadOnlyStore(const fs::path& folder) : store_(folder) {}
  std::string name() const override { return store_.name(); }
  void put(std::string_view key, ByteView) override { refuse(key); }
  void create(std::string_view key, ByteView) override { refuse(key); }
  Bytes get(std::string_view key, Range range) override { return store_.get(key, range); }
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override {
    store_.list(prefix, visit);
  }
  void remove(std::string_view key) override { refuse(key); }

 private:
  [[noreturn]] void refuse(std::string_view key) {
    throw Error(Errc::io, "{} cannot be written", key);
  }
  DirectoryStore store_;
};

struct Golden {
  const char* name;
  std::optional<std::string> password{};
};
void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.name; }

struct Hashes {
  std::string file;
  std::string wal;
};

std::string hash_of(const fs::path& path) {
  if (!stat_path(path)) return "-";
  File file = File::open_read(path);
  Bytes bytes(file.size());
  file.read_at(0, bytes);
  Blake3 hash;
  hash.update(bytes);
  return to_hex(hash.digest());
}

class GoldenRepository : public testing::TestWithParam<Golden> {
 protected:
  GoldenRepository() {
    std::ifstream lines(path_.string() + ".txt");
    std::string id;
    Hashes hashes;
    while (lines >> id >> hashes.file >> hashes.wal) sources_[id] = hashes;
  }

  void expect_gives_back(const Snapshot& snapshot) const {
    SCOPED_TRACE(snapshot.id);
    test::TestFolder folder;
    RestoreOptions options;
    options.target = folder / "back.duckdb";
    restore(repository_, snapshot, options);
    ASSERT_TRUE(sources_.contains(snapshot.original));
    EXPECT_EQ(hash_of(folder / "back.duckdb"), sources_.at(snapshot.original).file);
    EXPECT_EQ(hash_of(folder / "back.duckdb.wal"), sources_.at(snapshot.original).wal);
  }

  fs::path path_ = fs::path(DUCKBACK_GOLDEN) / (std::string("repository-1-") + GetParam().name);
  Repository repository_ =
      Repository::open(std::make_shared<ReadOnlyStore>(path_), GetParam().password);
  std::map<std::string, Hashes> sources_;  // by the first id
};

TEST_P(GoldenRepository, GivesBackEverySnapshotAsItsSourceWas) {
  std::vector<FoundSnapshot> all = read_snapshots(repository_);
  ASSERT_EQ(all.size(), 3u);
  for (const FoundSnapshot& one : all) expect_gives_back(one.snapshot);
  EXPECT_EQ(all[0].snapshot.database, "bulk");
  EXPECT_EQ(all[1].snapshot.tags, (std::vector<std::string>{"early", "late"}));
  EXPECT_NE(all[1].snapshot.id, all[1].snapshot.original);
  EXPECT_TRUE(all[2].snapshot.pinned);
  EXPECT_EQ(all[2].details.wal_commits, 2u);
  EXPECT_EQ(find_snapshot(repository_, "late").name.id, all[1].name.id);
  EXPECT_EQ(find_snapshot(repository_, "latest", "app").name.id, all[2].name.id);
  EXPECT_EQ(find_snapshot(repository_, all[2].snapshot.original).name.id, all[2].name.id);
}

TEST_P(GoldenRepository, TheForgottenSnapshotIsInTrashWhole) {
  std::vector<TrashedSnapshot> trash = list_trash(repository_);
  ASSERT_EQ(trash.size(), 1u);
  ASSERT_EQ(trash[0].error, "");
  expect_gives_back(trash[0].snapshot);
  Marks marks = list_marks(repository_.store());
  EXPECT_GE(marks.marks.size(), 1u);
  EXPECT_GE(marks.tombstones.size(), 1u);
}

TEST_P(GoldenRepository, IsFoundGood) {
  CheckOptions options;
  options.data = CheckOptions::Data::all;
  CheckReport report = check(repository_, options);
  for (const CheckFinding& finding : report.findings) {
    ADD_FAILURE() << finding.object << ": " << finding.text;
  }
  EXPECT_EQ(report.snapshots, 3u);
  EXPECT_EQ(report.packs_read, report.packs);
  EXPECT_EQ(report.orphans, 0u);
}

TEST_P(GoldenRepository, ItsIndexNamesWhatThePacksHold) {
  Index index(repository_.store(), repository_.sealer());
  EXPECT_TRUE(std::any_of(index.files().begin(), index.files().end(),
                          [](const auto& file) { return !file->superseded().empty(); }));
  std::set<std::pair<ChunkId, std::string>> listed;
  for (const auto& file : index.files()) {
    file->for_each([&](std::uint64_t, const ChunkPlace& place) {
      listed.emplace(place.chunk.id, place.pack->id);
    });
  }
  std::set<std::pair<ChunkId, std::string>> held;
  repository_.store().list("packs/", [&](const ObjectInfo& object) {
    PackDirectory pack = read_pack_directory(repository_.store(), repository_.sealer(),
                                             *pack_id_of(object.key), object.bytes);
    for (const PackedChunk& chunk : pack.chunks) held.emplace(chunk.id, pack.info.id);
  });
  EXPECT_EQ(listed, held);
}

TEST_P(GoldenRepository, ItsPasswordCounts) {
  auto store = std::make_shared<ReadOnlyStore>(path_);
  if (GetParam().password) {
    test::error_of(Errc::wrong_password, [&] { Repository::open(store, "Golden"); });
  } else {
    test::error_of(Errc::refused, [&] { Repository::open(store, "golden"); });
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, GoldenRepository,
                         testing::Values(Golden{"plain"}, Golden{"encrypted", "golden"}),
                         [](const auto& set) { return std::string(set.param.name); });

}  // namespace
}  // namespace duckback
