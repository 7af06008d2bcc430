#include "store/cached_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/error.h"
#include "base/hash.h"
#include "store/memory_store.h"
#include "test/support/error_of.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using test::error_of;

std::string key_of(std::string_view bytes) {
  Blake3 hash;
  hash.update(as_bytes(bytes));
  return "index/" + to_hex(hash.digest());
}

constexpr Range kLasting{.lasting = true};

class CachedStores : public testing::Test {
 protected:
  std::shared_ptr<CachedStore> open() {
    return std::make_shared<CachedStore>(behind_, folder_.path() / "cache");
  }
  fs::path kept(const std::string& key) const { return folder_.path() / "cache" / key; }
  static std::string get(Store& store, const std::string& key, Range range = kLasting) {
    Bytes bytes = store.get(key, range);
    return {bytes.begin(), bytes.end()};
  }

  test::TestFolder folder_;
  std::shared_ptr<MemoryStore> behind_ = std::make_shared<MemoryStore>();
  const std::string text_ = "some words";
  const std::string key_ = key_of(text_);
};

TEST_F(CachedStores, FetchOnceWhatLasts) {
  behind_->put(key_, as_bytes(text_));
  auto store = open();
  EXPECT_EQ(get(*store, key_, {.offset = 5, .bytes = 3, .lasting = true}), "wor");
  behind_->remove(key_);
  EXPECT_EQ(get(*store, key_), text_);
  EXPECT_EQ(get(*open(), key_, {.offset = 8, .lasting = true}), "ds");
}

TEST_F(CachedStores, AskTheStoreForWhatDoesNotLast) {
  behind_->put(key_, as_bytes(text_));
  auto store = open();
  EXPECT_EQ(get(*store, key_), text_);
  behind_->remove(key_);
  error_of(Errc::not_found, [&] { get(*store, key_, {}); });
}

TEST_F(CachedStores, DoNotKeepWhatIsNotWhatItsNameSays) {
  behind_->put(key_, as_bytes("other words"));
  auto store = open();
  EXPECT_EQ(get(*store, key_), "other words");
  behind_->put(key_, as_bytes(text_));
  EXPECT_EQ(get(*store, key_), text_);
}

TEST_F(CachedStores, DoNotUseWhatWasChangedOnTheDisk) {
  behind_->put(key_, as_bytes(text_));
  EXPECT_EQ(get(*open(), key_), text_);
  for (const char* wrong : {"some wordz", "some", ""}) {
    std::ofstream(kept(key_)) << wrong;
    EXPECT_EQ(get(*open(), key_), text_);
  }
}

TEST_F(CachedStores, WaitForNoPipe) {
  behind_->put(key_, as_bytes(text_));
  fs::create_directories(kept(key_).parent_path());
  ASSERT_EQ(::mkfifo(kept(key_).c_str(), 0600), 0);
  EXPECT_EQ(get(*open(), key_), text_);
  EXPECT_TRUE(fs::is_regular_file(kept(key_)));
}

TEST_F(CachedStores, GoOnWhenTheFolderIsRemoved) {
  behind_->put(key_, as_bytes(text_));
  auto store = open();
  EXPECT_EQ(get(*store, key_), text_);
  fs::remove_all(folder_.path() / "cache");
  EXPECT_EQ(get(*store, key_), text_);
  EXPECT_TRUE(fs::exists(kept(key_)));
}

TEST_F(CachedStores, KeepNothingWhereTheyCannot) {
  behind_->put(key_, as_bytes(text_));
  std::ofstream(folder_.path() / "cache") << "a file";
  auto store = open();
  EXPECT_EQ(get(*store, key_), text_);
  EXPECT_EQ(get(*store, key_, {.offset = 5, .bytes = 3, .lasting = true}), "wor");
  behind_->remove(key_);
  error_of(Errc::not_found, [&] { get(*store, key_); });
}

TEST_F(CachedStores, RangesBehindTheEndAreTheSameErrorAsWithoutThem) {
  behind_->put(key_, as_bytes(text_));
  auto store = open();
  for (int i = 0; i < 2; ++i) {
    error_of(Errc::damaged, [&] { get(*store, key_, {.offset = 8, .bytes = 9, .lasting = true}); });
  }
}

TEST_F(CachedStores, RemoveWhatWasNotUsedForLong) {
  std::string other = "other words";
  behind_->put(key_, as_bytes(text_));
  behind_->put(key_of(other), as_bytes(other));
  {
    auto store = open();
    get(*store, key_);
    get(*store, key_of(other));
  }
  auto long_ago = fs::file_time_type::clock::now() - CachedStore::kKept + std::chrono::hours(1);
  fs::last_write_time(kept(key_), long_ago);
  get(*open(), key_);  // It is used again.
  fs::last_write_time(kept(key_of(other)), long_ago - std::chrono::hours(2));
  open();
  EXPECT_TRUE(fs::exists(kept(key_)));
  EXPECT_FALSE(fs::exists(kept(key_of(other))));
}

TEST_F(CachedStores, KeepNoMoreThanTheyMay) {
  CachedStore store(behind_, folder_.path() / "cache", 100);
  for (char letter : {'a', 'b', 'c', 'd', 'e', 'f'}) {
    std::string text(30, letter);
    behind_->put(key_of(text), as_bytes(text));
    EXPECT_EQ(get(store, key_of(text)), text);
    std::uint64_t bytes = 0;
    for (const auto& each : fs::recursive_directory_iterator(folder_.path() / "cache")) {
      if (each.is_regular_file()) bytes += each.file_size();
    }
    EXPECT_LE(bytes, 100u);
    EXPECT_GE(bytes, 30u);
  }
  std::string large(101, 'x');
  behind_->put(key_of(large), as_bytes(large));
  EXPECT_EQ(get(store, key_of(large)), large);
  EXPECT_FALSE(fs::exists(kept(key_of(large))));
}

}  // namespace
}  // namespace duckback
