// How a repository grows with its snapshots (docs/scaling.md).
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "base/error.h"
#include "ops/forget_snapshots.h"
#include "repo/collector.h"
#include "store/directory_store.h"
#include "test/support/test_repository.h"

namespace duckback {
namespace {

using test::keys_of;
using test::LivingDatabase;

class Stopwatch {
 public:
  double milliseconds() {
    auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(now - std::exchange(began_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

struct Figures {
  std::size_t snapshots;
  std::size_t index_files;
  double backup_ms, open_ms, list_ms;
};

// DUCKBACK_SNAPSHOTS=10000 to measure; prints a line for each power of ten.
TEST(ManySnapshots, CostOfOpeningStaysThatOfFewIndexes) {
  const char* wanted = std::getenv("DUCKBACK_SNAPSHOTS");
  std::size_t most = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 40;
  test::TestFolder folder;
  Repository repository = Repository::create(DirectoryStore::make(folder / "repo"), std::nullopt);
  LivingDatabase database(64);
  std::size_t next = 10;
  for (std::size_t n = 1; n <= most; ++n) {
    database.set_block(2 + n % 60, n + 1);
    database.write();
    Stopwatch watch;
    test::back_up(repository, database);
    if (n != next && n != most) continue;
    next *= 10;
    Figures now{.snapshots = n,
                .index_files = 0,
                .backup_ms = watch.milliseconds(),
                .open_ms = 0,
                .list_ms = 0};
    Index index(repository.store(), repository.sealer());
    now.open_ms = watch.milliseconds();
    now.index_files = index.files().size();
    EXPECT_EQ(read_snapshots(repository).size(), n);
    now.list_ms = watch.milliseconds();
    GTEST_LOG_(INFO) << fmt::format(
        "{} snapshots: {} index files ({} with superseded), backup {:.1f} ms, open {:.1f} ms, "
        "list {:.1f} ms",
        now.snapshots, now.index_files, keys_of(repository.store(), "index/").size(), now.backup_ms,
        now.open_ms, now.list_ms);
    EXPECT_LE(now.index_files, 42u);  // Seven of each of six levels.
  }
  Stopwatch watch;
  ForgetSnapshotsOptions forget;
  forget.policy.last = 5;
  forget_snapshots(repository, forget);
  double forget_ms = watch.milliseconds();
  PruneOptions options;
  options.grace = kPruneGrace;
  PruneReport report = prune(repository, options);
  GTEST_LOG_(INFO) << fmt::format("forget all but 5: {:.1f} ms, prune ({} packs): {:.1f} ms",
                                  forget_ms, report.packs, watch.milliseconds());
  EXPECT_EQ(report.snapshots, 5u);
}

}  // namespace
}  // namespace duckback
