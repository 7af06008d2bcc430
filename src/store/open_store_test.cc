#include "store/open_store.h"

#include <gmock/gmock.h>

#include "test/support/error_of.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using test::error_of;
using testing::HasSubstr;

TEST(OpenStore, APathIsAFolder) {
  test::TestFolder folder;
  std::shared_ptr<Store> made = make_store(folder / "new/repo");
  made->put("config", as_bytes("x"));
  EXPECT_EQ(made->name(), folder / "new/repo");
  EXPECT_EQ(open_store(folder / "new/repo/")->get("config").size(), 1u);
  EXPECT_EQ(open_store("file://" + (folder / "new/repo").string())->get("config").size(), 1u);
  EXPECT_EQ(make_store(folder / "new/repo")->get("config").size(), 1u);
}

TEST(OpenStore, AFileAddressIsDecoded) {
  test::TestFolder folder;
  make_store("file://" + (folder / "my%20100%25").string());
  EXPECT_TRUE(stat_path(folder / "my 100%"));
  for (std::string bad : {"%", "%2", "%zz", "%-1", "%00"}) {
    EXPECT_THAT(error_of(Errc::invalid, [&] { open_store("file:///a" + bad); }), HasSubstr("%25"));
  }
}

TEST(OpenStore, WithoutAFolderThereIsNoRepository) {
  test::TestFolder folder;
  EXPECT_THAT(error_of(Errc::no_repository, [&] { open_store(folder / "none"); }),
              HasSubstr("duckback init"));
  fs::path file = folder.put("file", as_bytes("x"));
  EXPECT_THAT(error_of(Errc::no_repository, [&] { open_store(file); }), HasSubstr("a file"));
  error_of(Errc::no_repository, [&] { open_store(file / "below"); });
  error_of(Errc::refused, [&] { make_store(file); });
}

TEST(OpenStore, ABucketIsNotAskedBeforeItIsUsed) {
  for (auto* how : {open_store, make_store}) {
    std::string url = "s3://bucket/pre/fix/?endpoint=http://127.0.0.1:1";
    EXPECT_EQ(how(url, {})->name(), "s3://bucket/pre/fix");
    error_of(Errc::invalid, [&] { how("s3://", {}); });
  }
}

TEST(OpenStore, OtherAddressesAreRefused) {
  for (auto* how : {open_store, make_store}) {
    EXPECT_THAT(error_of(Errc::invalid, [&] { how("sftp://host/x", {}); }), HasSubstr("sftp"));
    EXPECT_THAT(error_of(Errc::invalid, [&] { how("file://host/x", {}); }), HasSubstr("file:///"));
    error_of(Errc::invalid, [&] { how("", {}); });
  }
}

}  // namespace
}  // namespace duckback
