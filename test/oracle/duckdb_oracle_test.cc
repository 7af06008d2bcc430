// What our readers say about files that real DuckDB libraries wrote, against what DuckDB itself
// says about them. A library that is not there is a visible skip.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "duckfile/block.h"
#include "duckfile/block_map.h"
#include "duckfile/wal.h"
#include "io/child.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

fs::path library(const std::string& version) {
  return fs::path(DUCKBACK_DEPS) / "libduckdb" / version / "libduckdb.so";
}

// Runs the lines in a process of their own and returns the rows of each. With `crash` the process
// ends without closing its databases. With `last_fails` the last line must end in an error.
std::vector<Rows> run(const std::string& version, const std::vector<std::string>& lines,
                      bool crash = false, bool last_fails = false) {
  ChildOptions options;
  options.program = DUCKDB_RUN;
  options.arguments = {"--hold", library(version).string(), ":memory:"};
  if (crash) options.arguments.insert(options.arguments.begin(), "--crash");
  for (const std::string& line : lines) options.input += line + "\n";
  Child child(options);
  std::vector<Rows> results(1);
  while (std::optional<std::string> line = child.read_line()) {
    if (*line == "ready") continue;
    if (last_fails && results.size() == lines.size() && line->starts_with("error: ")) {
      results.emplace_back();
      break;
    }
    EXPECT_FALSE(line->starts_with("error: ")) << version << ": " << *line;
    if (*line == "ok") {
      results.emplace_back();
      continue;
    }
    Row row;
    std::istringstream columns(*line);
    for (std::string column; std::getline(columns, column, '\t');) row.push_back(column);
    results.back().push_back(row);
  }
  EXPECT_TRUE(child.wait().ok()) << child.error_text();
  results.pop_back();
  EXPECT_EQ(results.size(), lines.size());
  results.resize(lines.size());
  return results;
}

struct Case {
  std::string version;
  std::string storage;  // STORAGE_VERSION, or "" for the default
  std::uint64_t number = 64;
  std::string needs = "DuckDB 1.0";
  std::uint32_t block_bytes = 16384;
  std::string cipher;  // "" for plain
  std::string layout;  // debug_encryption_version
  std::string key = "a secret key";
};

std::string name_of_case(const Case& c) {
  std::string name = fmt::format("DuckDb{}Storage{}Blocks{}K{}{}", c.version, c.number,
                                 c.block_bytes / 1024, c.cipher, c.layout);
  std::erase(name, '.');
  return name;
}

void PrintTo(const Case& c, std::ostream* out) { *out << name_of_case(c); }

// Each id of a list that DuckDB prints, like "[1, 2]".
std::set<std::uint64_t> ids_of(std::string list) {
  std::replace_if(
      list.begin(), list.end(), [](char c) { return c < '0' || c > '9'; }, ' ');
  std::istringstream text(list);
  std::set<std::uint64_t> ids;
  for (std::uint64_t id; text >> id;) ids.insert(id);
  return ids;
}

class Oracle : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!fs::exists(library(GetParam().version))) {
      GTEST_SKIP() << "no " << library(GetParam().version) << " (make setup fetches it)";
    }
  }

  bool encrypted() const { return !GetParam().cipher.empty(); }
  std::vector<std::string> attach(const fs::path& path, bool creating, bool read_only = false) {
    const Case& c = GetParam();
    std::vector<std::string> lines;
    std::string options = creating ? fmt::format("BLOCK_SIZE {}", c.block_bytes) : "TYPE duckdb";
    if (read_only) options += ", READ_ONLY";
    if (creating && !c.storage.empty()) options += fmt::format(", STORAGE_VERSION '{}'", c.storage);
    if (encrypted()) {
      lines.push_back("SET force_mbedtls_unsafe = 'true'");
      options += fmt::format(", ENCRYPTION_KEY '{}', ENCRYPTION_CIPHER '{}'", c.key, c.cipher);
      if (creating) options += fmt::format(", debug_encryption_version '{}'", c.layout);
    }
    lines.push_back(fmt::format("ATTACH '{}' AS d ({})", path.string(), options));
    lines.push_back("USE d");
    return lines;
  }
  std::vector<Rows> run_in(const fs::path& path, std::vector<std::string> lines,
                           bool creating = false, bool read_only = false, bool crash = false) {
    std::vector<std::string> all = attach(path, creating, read_only);
    std::size_t skip = all.size();
    all.insert(all.end(), lines.begin(), lines.end());
    std::vector<Rows> results = run(GetParam().version, all, crash);
    results.erase(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(skip));
    return results;
  }

  // Long free lists, dropped tables, long strings, an index, small tables that share blocks.
  void make_database(const fs::path& path) {
    std::vector<std::string> lines = {
        "SET threads = 1",
        "CREATE TABLE gone AS SELECT i, hash(i) h, hash(i + 1) g FROM range(400000) r(i)",
        "CREATE TABLE kept AS SELECT i, hash(i) h, repeat('x', (i % 50)::INT) s "
        "FROM range(130000) r(i)",
        "CREATE TABLE long AS SELECT i, repeat(chr((65 + i % 26)::INT), (30000 + i)::INT) s "
        "FROM range(40) r(i)",
        "CREATE TABLE keyed (k INTEGER PRIMARY KEY, v VARCHAR)",
        "INSERT INTO keyed SELECT i, 'v' || i FROM range(5000) r(i)",
    };
    for (int i = 0; i < 12; ++i) {
      lines.push_back(fmt::format("CREATE TABLE small{} AS SELECT {} i, 'text {}' s", i, i, i));
    }
    for (const char* line : {
             "CHECKPOINT d",
             "DROP TABLE gone",
             "CHECKPOINT d",
             "DELETE FROM kept WHERE i % 7 = 0",
             "UPDATE kept SET h = 0 WHERE i % 11 = 0",
             "DROP TABLE small3",
             "CHECKPOINT d",
             "INSERT INTO small5 VALUES (100, 'more')",
             "CHECKPOINT d",
         }) {
      lines.push_back(line);
    }
    run_in(path, lines, true);
  }
  std::vector<std::string> tables() const {
    std::vector<std::string> names = {"kept", "long", "keyed"};
    for (int i = 0; i < 12; ++i) {
      if (i != 3) names.push_back(fmt::format("small{}", i));
    }
    return names;
  }
  std::vector<Rows> content(const fs::path& path) {
    std::vector<std::string> lines;
    for (const std::string& table : tables()) {
      lines.push_back(
          fmt::format("SELECT count(*), sum(hash(t::VARCHAR)::HUGEINT), max(length(s::VARCHAR)) "
                      "FROM (SELECT x::VARCHAR t, x::VARCHAR s FROM {} x) y",
                      table));
    }
    return run_in(path, lines, false, true);
  }

  test::TestFolder folder_;
};

TEST_P(Oracle, TheUsedBlocksAreThoseDuckDbUses) {
  const Case& c = GetParam();
  fs::path path = folder_ / "app.duckdb";
  make_database(path);
  if (HasFailure()) return;

  File file = File::open_read(path);
  MainHeader main = read_main_header(file);
  EXPECT_EQ(main.encryption.has_value(), encrypted());
  std::optional<BlockCipher> cipher;
  if (encrypted()) {
    cipher.emplace(main, c.key);
    ASSERT_TRUE(cipher->fits(main));
    EXPECT_FALSE(BlockCipher(main, "another key").fits(main));
  }
  const BlockCipher* key = cipher ? &*cipher : nullptr;
  auto slots = read_slots(file, main, key);
  ASSERT_TRUE(slots);
  DatabaseHeader header = slots->header();
  EXPECT_EQ(header.block_bytes, c.block_bytes);
  StorageVersion version = storage_version(main, header);
  EXPECT_EQ(version.number, c.number);
  EXPECT_EQ(version.needs, c.needs);
  EXPECT_TRUE(version.known);

  std::uint64_t file_bytes = file.stat().bytes;
  BlockMap map = read_block_map(file, file_bytes, header, key);
  EXPECT_EQ(map.used_beyond_file, 0u);
  if (c.block_bytes == 16384) {
    EXPECT_GT(map.free_blocks, 300u);
  }

  std::vector<std::string> questions = {
      "SELECT block_id, total_blocks, free_blocks, free_list::VARCHAR "
      "FROM pragma_metadata_info('d')",
      "SELECT total_blocks, used_blocks, free_blocks, block_size FROM pragma_database_size() "
      "WHERE database_name = 'd'"};
  // Older ones name the blocks of long strings in a text, beside texts with other numbers.
  bool lists_additional = c.version != "1.1.3";
  for (const std::string& table : tables()) {
    questions.push_back(fmt::format(
        "SELECT DISTINCT block_id::VARCHAR || ' ' || coalesce({}, '') FROM "
        "pragma_storage_info('{}')"
        " WHERE block_id >= 0",
        lists_additional ? "additional_block_ids::VARCHAR"
                         : "CASE WHEN segment_info LIKE 'Overflow%' THEN segment_info END",
        table));
  }
  std::vector<Rows> answers = run_in(path, questions, false, true);

  std::set<std::uint64_t> metadata;
  std::map<std::uint64_t, std::uint64_t> free_masks;
  read_free_list(
      file, header, key,
      {.free_block = {},
       .multi_use_block = {},
       .metadata_block = [&](std::uint64_t id, std::uint64_t mask) { free_masks[id] = mask; }});
  for (const Row& row : answers[0]) {
    std::uint64_t id = std::stoull(row[0]);
    metadata.insert(id);
    EXPECT_EQ(row[1], "64");
    std::uint64_t mask = 0;
    for (std::uint64_t sub : ids_of(row[3])) mask |= std::uint64_t{1} << sub;
    ASSERT_TRUE(free_masks.contains(id)) << id;
    EXPECT_EQ(free_masks[id], mask) << "metadata block " << id;
  }
  EXPECT_EQ(map.metadata.count(), metadata.size());
  for (std::uint64_t id : metadata) {
    EXPECT_TRUE(map.metadata.test(id)) << id;
    EXPECT_TRUE(map.used.test(id)) << id;
  }

  ASSERT_EQ(answers[1].size(), 1u);
  const Row& size = answers[1][0];
  EXPECT_EQ(std::to_string(map.total_blocks), size[0]);
  EXPECT_EQ(std::to_string(map.used_blocks()), size[1]);
  EXPECT_EQ(std::to_string(map.free_blocks), size[2]);
  EXPECT_EQ(std::to_string(c.block_bytes), size[3]);

  std::set<std::uint64_t> data;
  for (std::size_t i = 2; i < answers.size(); ++i) {
    for (const Row& row : answers[i]) data.merge(ids_of(row[0]));
  }
  EXPECT_GT(data.size(), 5u);
  for (std::uint64_t id : data) EXPECT_TRUE(map.used.test(id)) << "block " << id;

  Bytes block(c.block_bytes);
  Bytes scratch;
  for (std::uint64_t id = map.used.next(0); id < map.used.size(); id = map.used.next(id + 1)) {
    ASSERT_EQ(file.read_at(block_offset(id, c.block_bytes), block), block.size());
    EXPECT_TRUE(block_is_whole(block, key, scratch)) << "block " << id;
  }
}

TEST_P(Oracle, AnImageOfTheUsedBlocksAloneHasTheSameContent) {
  const Case& c = GetParam();
  fs::path path = folder_ / "app.duckdb";
  fs::path image = folder_ / "image.duckdb";
  make_database(path);
  if (HasFailure()) return;
  std::vector<Rows> before = content(path);
  {
    File file = File::open_read(path);
    MainHeader main = read_main_header(file);
    std::optional<BlockCipher> cipher;
    if (encrypted()) cipher.emplace(main, c.key);
    const BlockCipher* key = cipher ? &*cipher : nullptr;
    auto slots = read_slots(file, main, key);
    ASSERT_TRUE(slots);
    std::uint64_t file_bytes = file.stat().bytes;
    BlockMap map = read_block_map(file, file_bytes, slots->header(), key);
    File out = File::create(image);
    out.write_at(0, main.raw);
    // The active header in both slots.
    out.write_at(kSlotBytes, slots->active_raw());
    out.write_at(2 * kSlotBytes, slots->active_raw());
    Bytes block(c.block_bytes);
    for (std::uint64_t id = map.used.next(0); id < map.used.size(); id = map.used.next(id + 1)) {
      std::uint64_t offset = block_offset(id, c.block_bytes);
      ASSERT_EQ(file.read_at(offset, block), block.size());
      out.write_at(offset, block);
    }
    EXPECT_LE(map.used.count() * c.block_bytes, file_bytes);
  }
  EXPECT_EQ(content(image), before);
  // And it can be written to.
  std::vector<Rows> rows = run_in(image, {"INSERT INTO keyed VALUES (100000, 'new')",
                                          "CHECKPOINT d", "SELECT count(*) FROM keyed"});
  EXPECT_EQ(rows.back(), (Rows{{"5001"}}));
}

TEST_P(Oracle, TheWalOfAKilledWriterHoldsItsCommits) {
  const Case& c = GetParam();
  fs::path path = folder_ / "app.duckdb";
  run_in(path, {"CREATE TABLE t (i BIGINT, s VARCHAR)", "CHECKPOINT d"}, true);
  run_in(path,
         {"SET wal_autocheckpoint = '1GB'", "INSERT INTO t VALUES (1, 'one')",
          "INSERT INTO t SELECT i, repeat('y', 100) FROM range(20000) r(i)",
          "CREATE TABLE u AS SELECT i, hash(i) h FROM range(150000) r(i)", "DROP TABLE u"},
         false, false, true);
  if (HasFailure()) return;

  File file = File::open_read(path);
  File wal = File::open_read(path.string() + ".wal");
  std::uint64_t wal_bytes = wal.stat().bytes;
  MainHeader main = read_main_header(file);
  std::optional<BlockCipher> cipher;
  if (encrypted()) cipher.emplace(main, c.key);
  const BlockCipher* key = cipher ? &*cipher : nullptr;
  WalScanner scanner(wal, main.encryption, key);
  const WalContent& content = scanner.scan();
  ASSERT_TRUE(content.header);
  EXPECT_EQ(content.header->encrypted, encrypted());
  EXPECT_EQ(content.commits, 4u);
  EXPECT_EQ(content.committed_end, wal_bytes);
  EXPECT_EQ(content.scanned_end, wal_bytes);
  EXPECT_FALSE(content.bad_entry);
  EXPECT_FALSE(content.marker);
  // A bulk insert of whole row groups goes into the database file, the WAL points to it.
  EXPECT_TRUE(content.has_row_groups);
  EXPECT_GT(content.end_before_row_groups, 20000u * 100);
  if (c.number >= 67) {
    auto slots = read_slots(file, main, key);
    ASSERT_TRUE(slots);
    EXPECT_EQ(content.header->identifier, main.identifier);
    EXPECT_EQ(content.header->iteration, slots->header().iteration);
  } else if (c.number <= 65) {
    EXPECT_FALSE(content.header->identifier);
  }

  if (encrypted()) {
    WalScanner blind(wal, main.encryption, nullptr);
    blind.scan();
    EXPECT_EQ(blind.content().scanned_end, wal_bytes);
    EXPECT_LE(blind.content().commits, 4u);
    EXPECT_GE(blind.content().commits, 3u);
    EXPECT_TRUE(blind.content().has_row_groups);
  }
}

TEST_P(Oracle, ACheckpointThatDiesBeforeItsHeaderLeavesAMarker) {
  const Case& c = GetParam();
  fs::path path = folder_ / "app.duckdb";
  run_in(path, {"CREATE TABLE t (i BIGINT)", "CHECKPOINT d"}, true);
  std::vector<std::string> lines = attach(path, false);
  for (const char* line : {"INSERT INTO t VALUES (1)",
                           "SET debug_checkpoint_abort = 'before_header'", "CHECKPOINT d"}) {
    lines.push_back(line);
  }
  run(c.version, lines, true, true);
  if (HasFailure()) return;

  File file = File::open_read(path);
  File wal = File::open_read(path.string() + ".wal");
  MainHeader main = read_main_header(file);
  std::optional<BlockCipher> cipher;
  if (encrypted()) cipher.emplace(main, c.key);
  WalScanner scanner(wal, main.encryption, cipher ? &*cipher : nullptr);
  const WalContent& content = scanner.scan();
  EXPECT_GE(content.commits, 1u);
  ASSERT_TRUE(content.marker);
  EXPECT_EQ(content.marker->range.begin, content.committed_end);
  EXPECT_EQ(content.marker->range.end, wal.stat().bytes);
  auto slots = read_slots(file, main, cipher ? &*cipher : nullptr);
  ASSERT_TRUE(slots);
  EXPECT_NE(content.marker->meta_block, slots->header().meta_block);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (std::uint32_t block_bytes : {16384u, 65536u, 262144u}) {
    for (const char* version : {"1.1.3", "1.2.2", "1.3.2", "1.4.5", "1.5.6"}) {
      all.push_back({version, "", 64, "DuckDB 1.0", block_bytes, "", ""});
    }
    all.push_back({"1.2.2", "v1.2.0", 65, "DuckDB 1.2", block_bytes, "", ""});
    all.push_back({"1.3.2", "v1.3.0", 66, "DuckDB 1.3", block_bytes, "", ""});
    all.push_back({"1.4.5", "v1.4.0", 67, "DuckDB 1.4", block_bytes, "", ""});
    all.push_back({"1.5.6", "v1.5.0", 68, "DuckDB 1.5", block_bytes, "", ""});
    all.push_back({"2.0.0", "", 69, "DuckDB 2.0", block_bytes, "", ""});
  }
  all.push_back({"1.5.6", "v1.2.0", 65, "DuckDB 1.2", 16384, "", ""});
  all.push_back({"2.0.0", "v1.5.0", 68, "DuckDB 1.5", 16384, "", ""});
  for (const char* cipher : {"GCM", "CTR"}) {
    all.push_back({"1.5.6", "v1.5.0", 68, "DuckDB 1.5", 16384, cipher, "v1"});
    all.push_back({"1.5.6", "v1.4.0", 67, "DuckDB 1.4", 16384, cipher, "v0"});
  }
  all.push_back({"1.5.6", "v1.5.0", 68, "DuckDB 1.5", 262144, "GCM", "v1"});
  return all;
}
INSTANTIATE_TEST_SUITE_P(DuckDb, Oracle, testing::ValuesIn(cases()),
                         [](const auto& set) { return name_of_case(set.param); });

// As DuckDB turns the text of ENCRYPTION_KEY into bytes.
TEST(OracleKey, IsReadAsDuckDbReadsIt) {
  if (!fs::exists(library("1.5.6"))) GTEST_SKIP() << "no libduckdb 1.5.6 (make setup fetches it)";
  test::TestFolder folder;
  int number = 0;
  for (const char* key : {"a secret key", "quack123", "c2VjcmV0IQ==", "c2VjcmV0IHg=", "QQ=C",
                          "A===", "c2Vj cmV0", "x", "\\x41bc", "\\x51\\x51==", "with \"quotes\""}) {
    fs::path path = folder / fmt::format("{}.duckdb", ++number);
    run("1.5.6", {"SET force_mbedtls_unsafe = 'true'",
                  fmt::format("ATTACH '{}' AS d (ENCRYPTION_KEY '{}', BLOCK_SIZE 16384)",
                              path.string(), key),
                  "CREATE TABLE d.t (i INTEGER)"});
    File file = File::open_read(path);
    MainHeader main = read_main_header(file);
    ASSERT_TRUE(main.encryption) << key;
    EXPECT_TRUE(BlockCipher(main, key).fits(main)) << key;
  }
}

}  // namespace
}  // namespace duckback
