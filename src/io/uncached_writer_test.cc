#include "io/uncached_writer.h"

#include <gtest/gtest.h>

#include <random>

#include "test/support/test_folder.h"

namespace duckback {
namespace {

using test::TestFolder;

Bytes random_bytes(std::size_t count) {
  std::mt19937_64 random(count);
  Bytes bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

void writes_what_it_is_given(const File& file) {
  Bytes source = random_bytes(3 << 20);
  Bytes expected(4 << 20);
  file.truncate(expected.size());
  UncachedWriter writer(file);
  for (std::size_t offset : {0, 1, 512, 4095, 4096, 12288, 1 << 20}) {
    for (std::size_t from : {0, 16, 4096}) {
      for (std::size_t bytes : {0, 1, 4095, 4096, 4097, 262144, 1'000'001}) {
        ByteView part = ByteView(source).subspan(from, bytes);
        writer.write_at(offset, part);
        std::copy(part.begin(), part.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset));
        Bytes now(expected.size());
        file.read_at(0, now);
        ASSERT_EQ(now, expected) << offset << ' ' << from << ' ' << bytes;
      }
    }
  }
}

TEST(UncachedWriter, WritesWhatItIsGivenWhateverTheAlignment) {
  TestFolder folder;
  writes_what_it_is_given(File::create(folder / "file"));
}

TEST(UncachedWriter, ToAFileInMemoryToo) {
  writes_what_it_is_given(File::create_anonymous("/dev/shm"));
}

TEST(UncachedWriter, AFileGrowsAsFarAsItIsWritten) {
  TestFolder folder;
  File file = File::create(folder / "file");
  Bytes bytes = random_bytes(1'000'001);
  UncachedWriter(file).write_at(4096, bytes);
  EXPECT_EQ(file.size(), 4096 + bytes.size());
}

TEST(Bytes, BeginAtAPageWhereTheyAreLarge) {
  for (std::size_t count : {65536, 65537, 1 << 20}) {
    Bytes bytes(count);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 4096, 0);
  }
}

}  // namespace
}  // namespace duckback
