// The example in docs/format.md is what the code writes and reads.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "repo/chunk_reader.h"
#include "store/memory_store.h"
#include "test/support/repo_objects.h"
#include "test/support/source_tree.h"

namespace duckback {
namespace {

using test::Fields;

// The lines `OFFSET  HEX  words` of one part of the example, put together; each must stand at the
// offset that it says.
Bytes example(const std::string& title) {
  std::ifstream file(source_tree() / "docs" / "format.md");
  Bytes bytes;
  bool in_part = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) in_part = line == "### " + title;
    bool hex = in_part && line.size() > 10 && line.starts_with("    ") && line[8] == ' ';
    if (!hex) continue;
    EXPECT_EQ(std::stoul(line.substr(4, 4), nullptr, 16), bytes.size()) << line;
    std::string digits = line.substr(10, line.find("  ", 10) - 10);
    std::istringstream words(digits);
    for (std::string word; words >> word;) {
      for (std::size_t i = 0; i + 1 < word.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(word.substr(i, 2), nullptr, 16)));
      }
    }
  }
  return bytes;
}

Salt salt_of(std::uint8_t byte) {
  Salt salt;
  salt.fill(byte);
  return salt;
}

Salt salt_in(ByteView object) {
  Salt salt;
  std::copy_n(object.begin() + 12, salt.size(), salt.begin());
  return salt;
}

class FormatExample : public testing::Test {
 protected:
  Secret secret_ = test::a_secret();  // 00 01 02 … 1f
  Namer namer_{secret_};
  Sealer sealer_{test::kRepository, std::nullopt};
  Bytes duck_{'d', 'u', 'c', 'k'};
  Bytes as_ = Bytes(100, 'a');
  // A zstd frame: its magic, its sizes, one block of a repeated byte.
  Bytes frame_{0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x64, 0x23, 0x03, 0x00, 'a'};
  ChunkId duck_id_ = namer_.chunk_id(duck_);
  ChunkId as_id_ = namer_.chunk_id(as_);

  // Field by field, as the page says it.
  test::Object pack(const Salt& salt) const {
    ObjectSealer sealer = sealer_.reopen(ObjectKind::data_pack, salt);
    Bytes chunks(sealer.header().begin(), sealer.header().end());
    sealer.seal(chunks.size(), duck_id_.digest, duck_, chunks);
    sealer.seal(chunks.size(), as_id_.digest, frame_, chunks);
    Fields directory;
    directory.add(duck_id_.digest).number(std::uint32_t{4}).number(std::uint32_t{4});
    directory.add(as_id_.digest).number(std::uint32_t{10}).number(std::uint32_t{100});
    return test::raw_pack(sealer, ByteView(chunks).subspan(kObjectHeaderBytes), directory.bytes());
  }
  test::Object index(const Salt& salt, const test::Object& pack) const {
    std::vector<std::pair<ChunkId, Bytes>> entries = {
        {duck_id_, Fields().number(0u).number(44u).number(4u).number(4u).bytes()},
        {as_id_, Fields().number(0u).number(64u).number(10u).number(100u).bytes()}};
    std::sort(entries.begin(), entries.end());
    Fields page;
    for (const auto& [id, numbers] : entries) page.add(id.digest).add(numbers);
    Digest pack_id = hash_of(pack.bytes);
    Fields table;
    table.number(1u).add(pack_id).add(salt_in(pack.bytes));
    table.number(std::uint64_t{pack.bytes.size()}).number(std::uint64_t{1});
    table.number(0u);
    table.number(std::uint64_t{2}).add(entries[0].first.digest).add(entries[1].first.digest);
    return test::raw_index(sealer_.reopen(ObjectKind::index, salt), {page.bytes()}, table.bytes());
  }
  static Digest hash_of(ByteView bytes) {
    Blake3 hash;
    hash.update(bytes);
    return hash.digest();
  }
  // Whatever the salt is: so the page is also what the code writes.
  PackBuilder::Finished built() const {
    PackBuilder builder(sealer_, ObjectKind::data_pack);
    builder.add(duck_id_, duck_, duck_.size());
    builder.add(as_id_, frame_, as_.size());
    return std::move(builder).finish();
  }
};

TEST_F(FormatExample, ThePackIsWhatThePageShows) {
  EXPECT_EQ(to_hex(example("An example: a pack")), to_hex(pack(salt_of(0x11)).bytes));
  PackBuilder::Finished written = built();
  EXPECT_EQ(written.bytes, pack(written.info.salt).bytes);
}

TEST_F(FormatExample, TheIndexIsWhatThePageShows) {
  EXPECT_EQ(to_hex(example("An example: its index")),
            to_hex(index(salt_of(0x22), pack(salt_of(0x11))).bytes));
  PackBuilder::Finished written = built();
  MemoryStore store;
  IndexBuilder builder;
  builder.add(written.info, written.chunks);
  IndexBuilder::Put put = builder.put(store, sealer_);
  Bytes bytes = store.get("index/" + put.id);
  EXPECT_EQ(bytes, index(salt_in(bytes), {written.info.id, written.bytes}).bytes);
}

TEST_F(FormatExample, ThePageIsRead) {
  Bytes pack = example("An example: a pack");
  Bytes index_bytes = example("An example: its index");
  MemoryStore store;
  store.put(pack_key(to_hex(hash_of(pack))), pack);
  store.put("index/" + to_hex(hash_of(index_bytes)), index_bytes);
  Index index(store, sealer_);
  ChunkReader reader(store, sealer_, namer_, index);
  EXPECT_EQ(reader.read(duck_id_), duck_);
  EXPECT_EQ(reader.read(as_id_), as_);
  EXPECT_EQ(read_pack_directory(store, sealer_, to_hex(hash_of(pack)), pack.size()).chunks.size(),
            2u);
}

// What the page says of names and keys.
TEST_F(FormatExample, TheNamesAreThoseOfThePage) {
  std::array<std::uint8_t, 32> chunk_key{};
  derive_key("duckback 1 chunk id", secret_.bytes(), chunk_key);
  Blake3 keyed = Blake3::keyed(chunk_key);
  keyed.update(duck_);
  EXPECT_EQ(to_hex(keyed.digest()), duck_id_.hex());
  std::ifstream file(source_tree() / "docs" / "format.md");
  std::stringstream page;
  page << file.rdbuf();
  for (const std::string& said :
       {to_hex(secret_.bytes()), std::string(test::kRepository), to_hex(chunk_key), duck_id_.hex(),
        as_id_.hex(), pack(salt_of(0x11)).id, index(salt_of(0x22), pack(salt_of(0x11))).id}) {
    EXPECT_NE(page.str().find(said), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace duckback
