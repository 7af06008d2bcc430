#include "store/directory_store.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/temp_file.h"
#include "test/support/error_of.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DirectoryStores : public testing::Test {
 protected:
  std::vector<std::string> keys() {
    std::vector<std::string> found;
    store_.list("", [&](const ObjectInfo& object) { found.push_back(object.key); });
    return found;
  }
  // Every name below the folder, also those that are no objects.
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      found.push_back(entry.path().lexically_relative(folder_.path()).string());
    }
    std::ranges::sort(found);
    return found;
  }

  test::TestFolder folder_;
  DirectoryStore store_{folder_.path()};
};

TEST_F(DirectoryStores, ObjectsAreFilesForTheirOwnerOnly) {
  store_.put("packs/0a/0a1b", as_bytes("bytes"));
  EXPECT_THAT(files(), ElementsAre("packs", "packs/0a", "packs/0a/0a1b"));
  EXPECT_EQ(read_text(folder_ / "packs/0a/0a1b", 10), "bytes");
  EXPECT_EQ(stat_path(folder_ / "packs/0a/0a1b")->mode & 0777, 0600u);
  EXPECT_EQ(stat_path(folder_ / "packs/0a")->mode & 0777, 0700u);
}

TEST_F(DirectoryStores, TheTimeOfAFileIsTheTimeOfItsObject) {
  store_.put("a", {});
  fs::last_write_time(folder_ / "a",
                      fs::file_time_type::clock::from_sys(parse_utc("2026-11-22T10:11:12.250Z")));
  SystemTime seen;
  store_.list("", [&](const ObjectInfo& object) { seen = object.modified; });
  EXPECT_EQ(format_utc_ms(seen), "2026-11-22T10:11:12.250Z");
}

TEST_F(DirectoryStores, AnEmptyFileIsAnObject) {
  folder_.put("a", {});
  EXPECT_THAT(keys(), ElementsAre("a"));
}

TEST_F(DirectoryStores, WhatOthersPutThereIsNoObject) {
  store_.put("a", {});
  for (std::string name : {".DS_Store", "a (copy)", "a~", "\xc3\xa4"}) folder_.put(name, {});
  fs::create_directory(folder_ / "lost+found");
  folder_.put("lost+found/b", {});
  fs::create_directory(folder_ / "empty");
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  fs::create_symlink("nowhere", folder_ / "link");
  EXPECT_THAT(keys(), ElementsAre("a"));
  error_of(Errc::not_found, [&] { store_.get("fifo"); });
  store_.remove("fifo");
  EXPECT_TRUE(stat_path(folder_ / "fifo"));
}

TEST_F(DirectoryStores, AFolderMayBeALinkToAnotherDisk) {
  test::TestFolder other;
  fs::create_symlink(other.path(), folder_ / "packs");
  store_.put("packs/0a/1", as_bytes("x"));
  EXPECT_TRUE(stat_path(other / "0a/1"));
  EXPECT_THAT(keys(), ElementsAre("packs/0a/1"));
}

TEST_F(DirectoryStores, WhatAKilledProcessLeftIsNoObjectAndIsRemoved) {
  store_.put("packs/0a/1", {});
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    TempFile deep = TempFile::beside(folder_ / "packs/0a/2");
    TempFile high = TempFile::beside(folder_ / "config");
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  TempFile in_use = TempFile::beside(folder_ / "packs/0a/3");
  EXPECT_EQ(files().size(), 6u);
  EXPECT_THAT(keys(), ElementsAre("packs/0a/1"));

  EXPECT_EQ(store_.remove_leftovers(SystemTime() + std::chrono::hours(1)), 0u);
  EXPECT_EQ(store_.remove_leftovers(SystemTime::max()), 2u);
  EXPECT_TRUE(stat_path(in_use.path()));
  EXPECT_THAT(keys(), ElementsAre("packs/0a/1"));
}

TEST_F(DirectoryStores, AFileTooLargeToBeAnObjectIsDamageAndTakesNoMemory) {
  File::create(folder_ / "large").truncate(std::uint64_t{1} << 40);
  EXPECT_THAT(error_of(Errc::damaged, [&] { store_.get("large"); }), HasSubstr("large"));
  EXPECT_EQ(store_.get("large", {.offset = std::uint64_t{1} << 39, .bytes = 5}), Bytes(5));
}

TEST_F(DirectoryStores, AMissingFolderIsNotFound) {
  EXPECT_THAT(error_of(Errc::not_found, [&] { DirectoryStore(folder_ / "none"); }),
              HasSubstr("none"));
  error_of(Errc::not_found, [&] { DirectoryStore(folder_.put("file", {})); });
}

TEST_F(DirectoryStores, AMadeFolderIsForItsOwnerOnly) {
  DirectoryStore::make(folder_ / "x/y")->put("a", {});
  EXPECT_EQ(stat_path(folder_ / "x/y")->mode & 0777, 0700u);
  EXPECT_THAT(keys(), ElementsAre("x/y/a"));
}

TEST_F(DirectoryStores, AFolderThatGoesIsUnavailableAndNotMadeAgain) {
  fs::path path = folder_ / "repo";
  auto store = DirectoryStore::make(path);
  store->put("a/b", {});
  fs::remove_all(path);
  EXPECT_THAT(error_of(Errc::unavailable, [&] { store->put("a/b", {}); }), HasSubstr("mounted"));
  error_of(Errc::unavailable, [&] { store->create("a/c", {}); });
  error_of(Errc::unavailable, [&] { store->get("a/b"); });
  error_of(Errc::unavailable, [&] { store->list("a/", [](const ObjectInfo&) {}); });
  error_of(Errc::unavailable, [&] { store->remove("a/b"); });
  error_of(Errc::unavailable, [&] { store->remove_leftovers(SystemTime::max()); });
  EXPECT_FALSE(stat_path(path));
}

TEST_F(DirectoryStores, FoldersRemovedByHandAreMadeAgain) {
  store_.put("a/b/c", {});
  fs::remove_all(folder_ / "a");
  store_.put("a/b/c", {});
  EXPECT_THAT(keys(), ElementsAre("a/b/c"));
}

// Root may write everywhere, so root becomes somebody else.
class AsUser {
 public:
  AsUser() : root_(::geteuid() == 0) { become(65534); }
  ~AsUser() { become(0); }

 private:
  void become(uid_t user) const {
    if (!root_) return;
    EXPECT_EQ(::seteuid(user), 0);
  }
  bool root_;
};

TEST_F(DirectoryStores, AFolderThatMayNotBeWrittenIsAnErrorAndStillRead) {
  store_.put("a", as_bytes("x"));
  ASSERT_EQ(::chmod((folder_ / "a").c_str(), 0444), 0);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0555), 0);
  {
    AsUser user;
    EXPECT_THAT(error_of(Errc::io, [&] { store_.put("b", {}); }), HasSubstr("Permission denied"));
    error_of(Errc::io, [&] { store_.create("packs/b", {}); });
    error_of(Errc::io, [&] { store_.remove("a"); });
    EXPECT_EQ(store_.get("a").size(), 1u);
    EXPECT_THAT(keys(), ElementsAre("a"));
  }
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0700), 0);
}

TEST_F(DirectoryStores, AFolderThatMayNotBeListedIsAnErrorAndNotEmpty) {
  store_.put("packs/a", {});
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod((folder_ / "packs").c_str(), 0300), 0);
  {
    AsUser user;
    EXPECT_THAT(error_of(Errc::io, [&] { keys(); }), HasSubstr("packs"));
  }
  ASSERT_EQ(::chmod((folder_ / "packs").c_str(), 0700), 0);
}

TEST_F(DirectoryStores, ALimitOnFilesIsNoSpaceAndLeavesNothing) {
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit small = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  error_of(Errc::no_space, [&] { store_.put("a", Bytes(5000)); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_THAT(files(), IsEmpty());
}

// A small disk, as far as the tests may mount one.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& at) : at_(at) {
    fs::create_directory(at);
    mounted = ::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=256k") == 0;
  }
  ~SmallDisk() {
    if (!mounted) return;
    EXPECT_EQ(::umount(at_.c_str()), 0);
  }
  bool make_read_only() { return ::mount("", at_.c_str(), "", MS_REMOUNT | MS_RDONLY, "") == 0; }
  bool mounted = false;

 private:
  fs::path at_;
};

TEST_F(DirectoryStores, AFullDiskIsNoSpaceAndWhatWasThereStays) {
  fs::path disk = folder_ / "disk";
  SmallDisk small(disk);
  if (!small.mounted) GTEST_SKIP() << "no mount: the full disk is not tried";
  DirectoryStore store(disk);
  store.put("a", as_bytes("old"));
  EXPECT_THAT(error_of(Errc::no_space, [&] { store.put("a", Bytes(1 << 20)); }),
              HasSubstr("No space"));
  EXPECT_EQ(store.get("a").size(), 3u);
  EXPECT_EQ(std::distance(fs::directory_iterator(disk), fs::directory_iterator()), 1);
  ASSERT_TRUE(small.make_read_only());
  EXPECT_THAT(error_of(Errc::io, [&] { store.put("b", {}); }), HasSubstr("Read-only"));
  EXPECT_EQ(store.get("a").size(), 3u);
}

}  // namespace
}  // namespace duckback
