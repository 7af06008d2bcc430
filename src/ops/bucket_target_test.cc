#include "ops/bucket_target.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "ops/bucket_folder.h"
#include "store/faulty_store.h"
#include "store/memory_store.h"
#include "test/support/error_of.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using State = CatalogCopy::State;

// A copy of one file, or of two.
struct Content {
  std::string database;
  std::string wal;  // "": none
  bool operator==(const Content&) const = default;
};

class BucketTargets : public testing::Test {
 protected:
  StagedFile stage(const std::string& text) const {
    TempFile temp = TempFile::beside(folder_ / "x");
    temp.file().write_at(0, as_bytes(text));
    return stage_file(std::move(temp));
  }
  static CopyOptions to(const std::string& destination) {
    CopyOptions options;
    options.destination = destination;
    return options;
  }
  // Returns the address.
  std::string copy(std::shared_ptr<Store> store, const CopyOptions& options,
                   const Content& content) const {
    BucketTarget target(options, std::move(store), folder_.path());
    FileSink::Staged staged{.database = stage(content.database), .wal = std::nullopt};
    if (!content.wal.empty()) staged.wal = stage(content.wal);
    Sidecar sidecar;
    sidecar.time = parse_utc("2026-11-01T00:00:00Z");
    sidecar.method = "cp";
    target.publish(staged, sidecar);
    return target.address();
  }
  std::string copy(const std::string& destination, const Content& content = {"database", ""}) {
    return copy(store_, to(destination), content);
  }
  static std::vector<std::string> keys(Store& store) {
    std::vector<std::string> found;
    store.list("", [&](const ObjectInfo& object) { found.push_back(object.key); });
    return found;
  }
  static std::string get(Store& store, const std::string& key) {
    if (!store.exists(key)) return "";
    Bytes bytes = store.get(key);
    return {bytes.begin(), bytes.end()};
  }
  static Catalog catalog_of(std::shared_ptr<Store> store) {
    return BucketFolder(parse_bucket_folder("s3://bucket/f"), std::move(store)).read();
  }

  test::TestFolder folder_;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
};

TEST(BucketAddresses, AreAFolderAndAName) {
  auto parts = [](const std::string& text) {
    BucketAddress address = parse_bucket_address(text);
    return fmt::format("{} {} {}", address.folder, address.name, address.options);
  };
  EXPECT_EQ(parts("s3://bucket"), "s3://bucket/  ");
  EXPECT_EQ(parts("s3://bucket/"), "s3://bucket/  ");
  EXPECT_EQ(parts("s3://bucket?endpoint=a/b"), "s3://bucket/  ?endpoint=a/b");
  EXPECT_EQ(parts("s3://bucket/a.duckdb"), "s3://bucket/ a.duckdb ");
  EXPECT_EQ(parts("s3://bucket/a/b/?x=/y/"), "s3://bucket/a/b/  ?x=/y/");
  EXPECT_EQ(parts("s3://bucket/a/b.duckdb?x=y"), "s3://bucket/a/ b.duckdb ?x=y");
  EXPECT_EQ(parse_bucket_folder("s3://bucket/a?x=y").store(), "s3://bucket/a/?x=y");
}

TEST_F(BucketTargets, ACopyHasTheNamesThatItWouldHaveInAFolder) {
  EXPECT_EQ(copy("s3://bucket/f/a.duckdb"), "s3://bucket/f/a.duckdb");
  EXPECT_THAT(keys(*store_), ElementsAre("a.duckdb", "a.duckdb.duckback.json"));
  EXPECT_THAT(copy("s3://bucket/f/?region=x"),
              MatchesRegex("s3://bucket/f/backup-[0-9]{8}-[0-9]{6}\\.duckdb\\?region=x"));
  CopyOptions stamped = to("s3://bucket/f/a.b");
  stamped.timestamp = true;
  EXPECT_THAT(copy(store_, stamped, {"x", ""}),
              MatchesRegex("s3://bucket/f/a-[0-9]{8}-[0-9]{6}\\.b"));
  error_of(Errc::invalid, [&] { copy("s3://bucket/f/a b"); });
}

TEST_F(BucketTargets, CopiesOfOneSecondGetNamesOfTheirOwn) {
  std::vector<std::string> made;
  for (int i = 0; i < 4; ++i) made.push_back(copy("s3://bucket/f/"));
  std::ranges::sort(made);
  EXPECT_EQ(std::ranges::unique(made).size(), 0u);
  EXPECT_EQ(keys(*store_).size(), 8u);
}

TEST_F(BucketTargets, TwoAtOnceDoNotMakeOneCopy) {
  BucketTarget first(to("s3://bucket/f/a"), store_, folder_.path());
  EXPECT_THAT(error_of(Errc::conflict, [&] { copy("s3://bucket/f/a"); }),
              HasSubstr("another process"));
  BucketTarget second(to("s3://bucket/f/"), store_, folder_.path());
  EXPECT_NE(copy("s3://bucket/f/"), second.address());
}

TEST_F(BucketTargets, ACopyWhoseClaimWasTakenAwayIsNotPublished) {
  CopyOptions options = to("s3://bucket/f/a");
  BucketTarget slow(options, store_, folder_.path());
  store_->advance_clock(std::chrono::hours(2));
  copy("s3://bucket/f/a", {"theirs", ""});
  FileSink::Staged staged{.database = stage("mine"), .wal = std::nullopt};
  Sidecar sidecar;
  error_of(Errc::conflict, [&] { slow.publish(staged, sidecar); });
  EXPECT_EQ(get(*store_, "a"), "theirs");
}

TEST_F(BucketTargets, TheClaimOfAnUploadThatWasLeftStaysUntilItIsGoneOnWith) {
  std::string claim = "duckback-claims/a";
  auto left = [&] { return remove_dead_claims(*store_, "a"); };
  {
    auto mine = CopyClaim::take(*store_, "a", "the token");
    ASSERT_TRUE(mine);
  }
  // This run failed before it began to send.
  auto there = nlohmann::json::parse(get(*store_, claim));
  EXPECT_EQ(left(), "");  // Its process lives.
  there["started"] = there["started"].get<std::uint64_t>() - 1;
  store_->put(claim, as_bytes(there.dump()));
  EXPECT_EQ(left(), "the token");
  EXPECT_THAT(keys(*store_), IsEmpty());
  {
    auto mine = CopyClaim::take(*store_, "a", "the token");
    mine->note_upload("another");
    mine->expect_mine();
    EXPECT_THAT(get(*store_, claim), HasSubstr("another"));
  }
  EXPECT_THAT(keys(*store_), IsEmpty());
  // Not renewed for an hour is not certainly dead: it may wake, and must not find its upload in
  // use.
  store_->put(claim, as_bytes(R"({"nonce":"x","host":"elsewhere","pid":1,"upload":"the token"})"));
  EXPECT_EQ(left(), "");
  EXPECT_THAT(keys(*store_), ElementsAre(claim));
  store_->advance_clock(std::chrono::hours(2));
  EXPECT_EQ(left(), "");
  EXPECT_THAT(keys(*store_), IsEmpty());
}

TEST_F(BucketTargets, OnlyCopiesAreReplaced) {
  store_->put("a", as_bytes("somebody's"));
  store_->put("b.wal", as_bytes("somebody's"));
  error_of(Errc::refused, [&] { copy("s3://bucket/f/a"); });
  error_of(Errc::refused, [&] { copy("s3://bucket/f/b"); });
  CopyOptions careful = to("s3://bucket/f/c");
  copy(store_, careful, {"x", ""});
  careful.clobber = false;
  error_of(Errc::refused, [&] { copy(store_, careful, {"x", ""}); });
  EXPECT_THAT(keys(*store_), ElementsAre("a", "b.wal", "c", "c.duckback.json"));
}

// Whatever is replaced by whatever, and wherever the process dies.
TEST_F(BucketTargets, NoReaderMeetsADatabaseWithTheWalOfAnother) {
  const Content one{"database", ""};
  const Content two{"database", "wal"};
  const Content new_one{"a new database", ""};
  const Content new_two{"a new database", "a new wal"};
  const std::vector<std::pair<Content, Content>> replacements = {
      {{}, new_two}, {one, new_two}, {two, new_one}, {two, new_two}};
  for (const auto& [old, now] : replacements) {
    for (bool unacknowledged : {false, true}) {
      bool finished = false;
      for (std::size_t step = 0; !finished; ++step) {
        SCOPED_TRACE(fmt::format("'{}' '{}' by '{}', {} {}", old.database, old.wal, now.wal, step,
                                 unacknowledged));
        auto store = std::make_shared<MemoryStore>();
        if (!old.database.empty()) copy(store, to("s3://bucket/f/a"), old);
        auto dying = std::make_shared<DyingStore>(*store, step, unacknowledged);
        try {
          copy(dying, to("s3://bucket/f/a"), now);
          finished = true;
        } catch (const DyingStore::Dead&) {
        }
        Content there{get(*store, "a"), get(*store, "a.wal")};
        EXPECT_TRUE(there.database.empty() || there == old || there == now);
        Catalog catalog = catalog_of(store);
        EXPECT_TRUE(!old.database.empty() || catalog.copies.empty() == there.database.empty());
        for (const CatalogCopy& each : catalog.copies) {
          EXPECT_EQ(each.state == State::present,
                    !there.database.empty() && each.sidecar.bytes == there.database.size());
        }
        store->advance_clock(std::chrono::hours(2));
        copy(store, to("s3://bucket/f/a"), now);
        EXPECT_EQ((Content{get(*store, "a"), get(*store, "a.wal")}), now);
        ASSERT_EQ(catalog_of(store).copies.size(), 1u);
        EXPECT_EQ(catalog_of(store).copies[0].problem, "");
      }
    }
  }
}

TEST_F(BucketTargets, AFolderOfABucketShowsWhatIsWrong) {
  copy("s3://bucket/f/gone");
  copy("s3://bucket/f/pair", {"database", "wal"});
  copy("s3://bucket/f/changed");
  copy("s3://bucket/f/whole", {"database", "wal"});
  store_->remove("gone");
  store_->remove("pair.wal");
  store_->put("changed", as_bytes("something else"));
  store_->put("foreign.duckdb", as_bytes("x"));
  store_->put("bad.duckback.json", as_bytes("{"));
  store_->put("notes.txt", as_bytes("x"));
  store_->put("below/a.duckback.json", as_bytes("{"));
  Catalog catalog = catalog_of(store_);
  std::vector<std::string> seen;
  for (const CatalogCopy& each : catalog.copies) {
    seen.push_back(each.name + (each.state == State::present   ? " present"
                                : each.state == State::missing ? " missing"
                                                               : " changed"));
  }
  EXPECT_THAT(seen,
              ElementsAre("changed changed", "gone missing", "pair changed", "whole present"));
  ASSERT_EQ(catalog.foreign.size(), 1u);
  EXPECT_EQ(catalog.foreign[0].path, "s3://bucket/f/foreign.duckdb");
  ASSERT_EQ(catalog.problems.size(), 1u);
  EXPECT_THAT(catalog.problems[0].message, HasSubstr("bad.duckback.json"));
}

TEST_F(BucketTargets, ARemovalWaitsForNoneAndTakesNothingElse) {
  copy("s3://bucket/f/a", {"database", "wal"});
  copy("s3://bucket/f/ab");
  BucketFolder folder(parse_bucket_folder("s3://bucket/f"), store_);
  CatalogCopy judged = folder.look_at("a");
  {
    auto claim = CopyClaim::take(*store_, "a");
    error_of(Errc::conflict, [&] { folder.remove(judged); });
  }
  copy("s3://bucket/f/a", {"another database", ""});
  CatalogCopy other = judged;
  other.sidecar.time += std::chrono::seconds(1);
  error_of(Errc::conflict, [&] { folder.remove(other); });
  folder.remove(folder.look_at("a"));
  EXPECT_THAT(keys(*store_), ElementsAre("ab", "ab.duckback.json"));
}

TEST_F(BucketTargets, ACopyThatFailsInTheLastStepIsListedAsMissing) {
  class Full : public MemoryStore {
    void put(std::string_view key, ByteView bytes) override {
      if (key == "a" && full) throw Error(Errc::no_space, "full");
      MemoryStore::put(key, bytes);
    }

   public:
    bool full = true;
  };
  auto store = std::make_shared<Full>();
  error_of(Errc::no_space, [&] { copy(store, to("s3://bucket/f/a"), {"database", "wal"}); });
  Catalog catalog = catalog_of(store);
  ASSERT_EQ(catalog.copies.size(), 1u);
  EXPECT_EQ(catalog.copies[0].state, State::missing);
  store->full = false;
  copy(store, to("s3://bucket/f/a"), {"database", ""});
  EXPECT_THAT(keys(*store), ElementsAre("a", "a.duckback.json"));
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

}  // namespace
}  // namespace duckback
