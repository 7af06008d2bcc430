#include "ops/forget.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "test/support/copy_folder.h"

namespace duckback {
namespace {

using test::CopyFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const SystemTime kNow = parse_utc("2026-12-01T00:00:00Z");

ForgetReport forget_in(const CopyFolder& folder, const KeepPolicy& policy, bool dry_run = false) {
  return forget(folder.path(), {.policy = policy, .dry_run = dry_run, .now = kNow});
}

std::vector<std::string> reasons_of(const ForgetReport& report, const std::string& name) {
  for (const ForgetDecision& decision : report.decisions) {
    if (decision.copy.path.filename() == name) return decision.reasons;
  }
  return {"no such copy"};
}

TEST(Forget, RemovesWhatNoRuleKeepsWithItsWalAndItsSidecar) {
  CopyFolder folder;
  folder.add("1.duckdb", "2026-11-01T00:00:00Z", {.with_wal = true});
  folder.add("2.duckdb", "2026-11-02T00:00:00Z");
  folder.add("3.duckdb", "2026-11-03T00:00:00Z", {.with_wal = true});
  ForgetReport report = forget_in(folder, {.last = 1});
  EXPECT_THAT(folder.names(), ElementsAre("3.duckdb", "3.duckdb+", "3.duckdb.wal"));
  EXPECT_TRUE(report.decisions[0].removed);
  EXPECT_THAT(reasons_of(report, "3.duckdb"), ElementsAre("last"));
}

TEST(Forget, ADryRunSaysTheSameAndRemovesNothing) {
  CopyFolder folder;
  folder.add("1.duckdb", "2026-11-01T00:00:00Z");
  folder.add("2.duckdb", "2026-11-02T00:00:00Z");
  ForgetReport report = forget_in(folder, {.last = 1}, true);
  EXPECT_FALSE(report.decisions[0].keep);
  EXPECT_FALSE(report.decisions[0].removed);
  EXPECT_EQ(folder.names().size(), 4u);
}

TEST(Forget, EveryDatabaseIsJudgedAlone) {
  CopyFolder folder;
  folder.add("1.duckdb", "2026-11-01T00:00:00Z");
  folder.add("2.duckdb", "2026-11-02T00:00:00Z", {.database = "/data/other.duckdb"});
  forget_in(folder, {.last = 1});
  EXPECT_EQ(folder.names().size(), 4u);
}

// Case 35.
TEST(Forget, TheNewestGoodCopyStaysWhateverTheRulesSay) {
  CopyFolder folder;
  folder.add("1.duckdb", "2026-11-01T00:00:00Z");
  fs::path failed = folder.add("2.duckdb", "2026-11-02T00:00:00Z");
  folder.add("3.duckdb", "2026-11-03T00:00:00Z", {.damaged_blocks = 1});
  Sidecar sidecar = load_sidecar(failed);
  sidecar.failed = Sidecar::Failed{kNow, "block 3 at offset 61440: its checksum is wrong"};
  save_sidecar(failed, sidecar);
  ForgetReport report = forget_in(folder, {.last = 1});
  EXPECT_THAT(reasons_of(report, "1.duckdb"), ElementsAre("newest good copy"));
  EXPECT_THAT(folder.names(), ElementsAre("1.duckdb", "1.duckdb+", "3.duckdb", "3.duckdb+"));
}

TEST(Forget, NothingIsRemovedThatDuckbackDidNotWrite) {
  CopyFolder folder;
  folder.put("live.duckdb", test::TinyDatabase().build());
  folder.put("half.duckdb", test::TinyDatabase().build());
  folder.put("half.duckdb.duckback.json", as_bytes("{}"));
  folder.put("notes.txt", as_bytes("hello"));
  File::open_write(folder.add("1.duckdb", "2026-11-01T00:00:00Z")).truncate(300'000);
  folder.add("2.duckdb", "2026-11-02T00:00:00Z");
  folder.put("2.duckdb.wal", test::WalBuilder().bytes());
  folder.add("3.duckdb", "2026-11-03T00:00:00Z");
  std::vector<std::string> before = folder.names();
  ForgetReport report = forget_in(folder, {.last = 1});
  EXPECT_EQ(folder.names(), before);
  EXPECT_THAT(reasons_of(report, "1.duckdb"), ElementsAre(HasSubstr("not as written")));
  EXPECT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.foreign, 1u);
}

TEST(Forget, ASidecarThatPointsElsewhereRemovesNothingThere) {
  CopyFolder folder;
  fs::path path = folder.add("1.duckdb", "2026-11-01T00:00:00Z", {.with_wal = true});
  folder.add("2.duckdb", "2026-11-02T00:00:00Z");
  Sidecar sidecar = load_sidecar(path);
  sidecar.wal->file = "../victim.wal";
  save_sidecar(path, sidecar);
  forget_in(folder, {.last = 1});
  EXPECT_TRUE(stat_path(path));
}

TEST(Forget, ACopyThatSomebodyHasOpenStays) {
  CopyFolder folder;
  fs::path path = folder.add("1.duckdb", "2026-11-01T00:00:00Z");
  folder.add("2.duckdb", "2026-11-02T00:00:00Z");
  int ready[2];
  int done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  pid_t child = ::fork();
  if (child == 0) {
    ::close(done[1]);
    int descriptor = ::open(path.c_str(), O_RDONLY);
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    char byte = ::fcntl(descriptor, F_SETLK, &lock) == 0 ? '+' : '-';
    if (::write(ready[1], &byte, 1) != 1 || ::read(done[0], &byte, 1) != 0) ::_exit(1);
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ForgetReport report = forget_in(folder, {.last = 1});
  for (int end : {ready[0], ready[1], done[0], done[1]}) ::close(end);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(stat_path(path));
  EXPECT_THAT(reasons_of(report, "1.duckdb"),
              ElementsAre(HasSubstr(fmt::format("(pid {})", child))));
}

TEST(Forget, AnEmptyPolicyIsRefusedAndRemovesNothing) {
  CopyFolder folder;
  folder.add("1.duckdb", "2026-11-01T00:00:00Z");
  EXPECT_THROW(forget_in(folder, {}), Error);
  EXPECT_EQ(folder.names().size(), 2u);
}

// Each state that a kill between two steps of a removal leaves.
TEST(Forget, ARemovalThatWasKilledIsFinishedByTheNextOne) {
  for (int steps : {1, 2, 3}) {
    CopyFolder folder;
    fs::path path = folder.add("1.duckdb", "2026-11-01T00:00:00Z", {.with_wal = true});
    folder.add("2.duckdb", "2026-11-02T00:00:00Z");
    folder.put("1.duckdb", as_bytes(kRemovalStub));
    if (steps >= 2) remove_file(folder / "1.duckdb.wal");
    if (steps >= 3) remove_file(path);
    ForgetReport report = forget_in(folder, {.last = 5});
    EXPECT_TRUE(report.decisions[0].removed) << steps;
    EXPECT_THAT(folder.names(), ElementsAre("2.duckdb", "2.duckdb+")) << steps;
  }
}

TEST(Forget, ALinkToTheRemovedFileKeepsItsContent) {
  CopyFolder folder;
  fs::path path = folder.add("1.duckdb", "2026-11-01T00:00:00Z", {.with_wal = true});
  folder.add("2.duckdb", "2026-11-02T00:00:00Z");
  fs::create_hard_link(path, folder / "kept.duckdb");
  forget_in(folder, {.last = 1});
  EXPECT_FALSE(stat_path(path));
  Bytes bytes(test::TinyDatabase().build().size());
  File::open_read(folder / "kept.duckdb").read_at(0, bytes);
  EXPECT_EQ(bytes, test::TinyDatabase().build());
}

TEST(Forget, AnExportIsRemovedWithItsFolder) {
  CopyFolder folder;
  for (const char* name : {"1", "2"}) {
    fs::create_directory(folder / name);
    folder.put(std::string(name) + "/t.parquet", as_bytes("PAR1PAR1"));
    Sidecar sidecar;
    sidecar.host = "host";
    sidecar.time = parse_utc(std::string("2026-11-0") + name + "T00:00:00Z");
    sidecar.file = name;
    sidecar.bytes = 8;
    sidecar.method = "export";
    save_sidecar(folder / name, sidecar);
  }
  forget_in(folder, {.last = 1});
  EXPECT_THAT(folder.names(), ElementsAre("2", "2+"));
}

}  // namespace
}  // namespace duckback
