#include "capture/capture.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "duckfile/block.h"
#include "test/support/duckfile_builder.h"
#include "test/support/error_of.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;
using test::DatabaseBuilder;
using test::error_of;
using test::pointer;
using test::TestFolder;
using test::WalBuilder;
using testing::HasSubstr;

constexpr std::uint32_t kBlockBytes = 16384;
constexpr std::uint64_t kBlocks = 600;  // 128 of them make more than one run
constexpr std::uint64_t kMetadataBlock = 1;

// What a block of the scene holds: its number and the generation that wrote it.
Bytes content(std::uint64_t id, std::uint64_t generation) {
  Bytes payload(64, static_cast<std::uint8_t>(generation));
  store_le(payload.data(), id);
  return test::block(payload, kBlockBytes);
}

// A database on disk whose writer is the test itself. Somebody else holds DuckDB's lock, unless it
// is closed.
class Scene {
 public:
  Scene() : path_(folder_ / "app.duckdb") {
    database_.header.iteration = 5;
    database_.header.block_count = kBlocks;
    database_.header.meta_block = pointer(kMetadataBlock, 3);
    set_free_list({});
    folder_.put("app.duckdb", database_.file());
    for (std::uint64_t id = 0; id < kBlocks; ++id) {
      if (id != kMetadataBlock) write_block(id, 5);
    }
  }
  ~Scene() { close(); }

  // Takes DuckDB's lock in another process.
  void open() {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    writer_ = ::fork();
    if (writer_ == 0) {
      int file = ::open(path_.c_str(), O_RDWR);
      struct flock lock {};
      lock.l_type = F_WRLCK;
      bool locked = ::fcntl(file, F_SETLK, &lock) == 0;
      (void)!::write(ready[1], locked ? "y" : "n", 1);
      for (;;) ::pause();
    }
    char answer = 0;
    ASSERT_EQ(::read(ready[0], &answer, 1), 1);
    ASSERT_EQ(answer, 'y');
    ::close(ready[0]);
    ::close(ready[1]);
  }
  void close() {
    if (writer_ <= 0) return;
    ::kill(writer_, SIGKILL);
    ::waitpid(writer_, nullptr, 0);
    writer_ = -1;
  }

  void write_block(std::uint64_t id, std::uint64_t generation) {
    file().write_at(block_offset(id, kBlockBytes), content(id, generation));
  }
  void flip_byte(std::uint64_t offset) {
    std::uint8_t byte = 0;
    file().read_at(offset, MutableBytes(&byte, 1));
    byte ^= 1;
    file().write_at(offset, ByteView(&byte, 1));
  }
  // The next header, into the slot that is not active, as a checkpoint ends.
  void checkpoint(const std::vector<std::uint64_t>& free) {
    ++database_.header.iteration;
    set_free_list(free);
    Bytes whole = database_.file();
    File to = file();
    to.write_at(block_offset(kMetadataBlock, kBlockBytes),
                ByteView(whole).subspan(block_offset(kMetadataBlock, kBlockBytes), kBlockBytes));
    to.write_at(database_.header.iteration % 2 == 1 ? 4096 : 8192, test::slot(database_.header));
  }
  void put_wal(const WalBuilder& wal, const char* suffix = ".wal") {
    folder_.put("app.duckdb" + std::string(suffix), wal.bytes());
  }
  void grow_wal(const WalBuilder& wal) {
    File::open_write(fs::path(path_.string() + ".wal")).write_at(0, wal.bytes());
  }
  void remove_wal() { remove_file(path_.string() + ".wal"); }

  File file() const { return File::open_write(path_); }
  const fs::path& path() const { return path_; }
  const TestFolder& folder() const { return folder_; }
  DatabaseBuilder& database() { return database_; }
  pid_t writer() const { return writer_; }

 private:
  void set_free_list(const std::vector<std::uint64_t>& free) {
    test::FreeListFields fields;
    fields.free = free;
    fields.metadata = {{kMetadataBlock, 0xf0}};
    // A list lies where the last one does not.
    std::uint64_t sub_block = database_.header.iteration % 2 * 8;
    std::vector<std::uint64_t> chain;
    for (std::uint64_t i = 0; i < 8; ++i)
      chain.push_back(pointer(kMetadataBlock, 16 + sub_block + i));
    database_.write_chain(test::free_list_bytes(fields), chain);
  }

  TestFolder folder_;
  fs::path path_;
  DatabaseBuilder database_{kBlockBytes};
  pid_t writer_ = -1;
};

// Keeps an image in memory and lets the test act while it is taken.
class MemorySink : public ImageSink {
 public:
  // Called before block `id` is taken, in the first round only.
  std::map<std::uint64_t, std::function<void()>> at_block;
  std::function<void()> at_wal;

  void begin(std::uint64_t, std::uint64_t, ByteView) override {
    blocks.clear();
    ++rounds;
  }
  void write_blocks(std::uint64_t offset, Bytes&& bytes) override {
    for (std::size_t at = 0; at < bytes.size(); at += kBlockBytes) {
      std::uint64_t id = (offset + at - kBlockStart) / kBlockBytes;
      auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
      blocks[id] = Bytes(begin, begin + kBlockBytes);
      auto action = at_block.find(id);
      if (action != at_block.end() && rounds == 1) action->second();
    }
  }
  void write_wal(std::uint64_t offset, ByteView bytes) override {
    wal.resize(offset);
    wal.insert(wal.end(), bytes.begin(), bytes.end());
    if (at_wal) at_wal();
  }

  std::uint64_t generation_of(std::uint64_t id) const { return blocks.at(id)[8 + 20]; }

  std::map<std::uint64_t, Bytes> blocks;
  Bytes wal;
  int rounds = 0;
};

CaptureOptions within(std::chrono::milliseconds timeout) {
  CaptureOptions options;
  options.timeout = timeout;
  return options;
}

std::string busy(const Scene& scene, std::chrono::milliseconds timeout = 50ms) {
  MemorySink sink;
  return error_of(Errc::busy, [&] { capture(scene.path(), sink, within(timeout)); });
}

TEST(Capture, ADatabaseThatNobodyHasOpenIsCold) {
  Scene scene;
  MemorySink sink;
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_EQ(image.grade, Grade::cold);
  EXPECT_EQ(image.wal_bytes, 0);
  EXPECT_EQ(sink.blocks.size(), kBlocks);
  EXPECT_EQ(image.file_bytes, block_offset(kBlocks, kBlockBytes));
}

// From now on the system does not tell this process about locks, as some filesystems do not.
bool hide_locks() {
  sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_GETLK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOLCK),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {.len = std::size(steps), .filter = steps};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(Capture, WhereLocksCannotBeSeenNothingIsCold) {
  constexpr int kNoFilter = 100;
  Scene scene;
  scene.put_wal(WalBuilder().commit());
  pid_t child = ::fork();
  if (child == 0) {
    if (!hide_locks()) ::_exit(kNoFilter);
    MemorySink sink;
    ::_exit(static_cast<int>(capture(scene.path(), sink, within(10s)).grade));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoFilter) GTEST_SKIP() << "no seccomp filter is allowed here";
  EXPECT_EQ(static_cast<Grade>(WEXITSTATUS(status)), Grade::certified);
  MemorySink sink;
  EXPECT_EQ(capture(scene.path(), sink, within(10s)).grade, Grade::cold) << "where they can";
}

TEST(Capture, TheActiveHeaderIsInBothSlotsOfTheImage) {
  Scene scene;
  MemorySink sink;
  Image image = capture(scene.path(), sink, within(10s));
  Bytes slot = test::slot(scene.database().header);
  EXPECT_TRUE(std::equal(slot.begin(), slot.end(), image.head.begin() + 4096));
  EXPECT_TRUE(std::equal(slot.begin(), slot.end(), image.head.begin() + 8192));
}

TEST(Capture, FreeBlocksAreNotCopied) {
  Scene scene;
  scene.checkpoint({7, 8, 590});
  MemorySink sink;
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_EQ(image.free_blocks, 3);
  EXPECT_EQ(sink.blocks.size(), kBlocks - 3);
  EXPECT_FALSE(sink.blocks.contains(590));
}

TEST(Capture, ACommitInTheWalOfAnOpenDatabaseCertifies) {
  Scene scene;
  scene.put_wal(WalBuilder().commit().commit());
  scene.open();
  MemorySink sink;
  CaptureOptions options = within(10s);
  options.require_certified = true;
  Image image = capture(scene.path(), sink, options);
  EXPECT_EQ(image.grade, Grade::certified);
  EXPECT_EQ(image.wal_commits, 2);
  EXPECT_EQ(sink.wal, WalBuilder().commit().commit().bytes());
  ASSERT_TRUE(image.writer);
  EXPECT_EQ(image.writer->pid, scene.writer());
}

TEST(Capture, WithoutACommittedWalAnOpenDatabaseIsQuietOnceItRests) {
  Scene scene;
  scene.open();
  MemorySink sink;
  EXPECT_EQ(capture(scene.path(), sink, within(10s)).grade, Grade::quiet);
}

TEST(Capture, QuietIsRefusedWhereCertifiedIsRequired) {
  Scene scene;
  scene.open();
  MemorySink sink;
  CaptureOptions options = within(50ms);
  options.require_certified = true;
  error_of(Errc::busy, [&] { capture(scene.path(), sink, options); });
}

TEST(Capture, ARunningCheckpointIsWaitedForAndItsProcessNamed) {
  Scene scene;
  scene.put_wal(WalBuilder().commit().checkpoint(77));
  scene.open();
  std::string message = busy(scene);
  EXPECT_THAT(message, HasSubstr("pid " + std::to_string(scene.writer())));
  EXPECT_THAT(message, HasSubstr("BEGIN; UPDATE any_table SET c = c WHERE false"));
}

TEST(Capture, AnEntryWithoutItsFlushIsNotInTheImage) {
  Scene scene;
  scene.put_wal(WalBuilder().commit().insert());
  scene.open();
  MemorySink sink;
  capture(scene.path(), sink, within(10s));
  EXPECT_EQ(sink.wal, WalBuilder().commit().bytes());
}

TEST(Capture, CommitsAfterTheTargetAreNotInTheImage) {
  Scene scene;
  scene.put_wal(WalBuilder().commit());
  scene.open();
  MemorySink sink;
  sink.at_wal = [&] { scene.grow_wal(WalBuilder().commit().commit().commit()); };
  EXPECT_EQ(capture(scene.path(), sink, within(10s)).wal_commits, 1);
  EXPECT_EQ(sink.wal, WalBuilder().commit().bytes());
}

TEST(Capture, AMarkerWithCommitsBehindItIsStaleAndLeftOut) {
  Scene scene;
  scene.put_wal(WalBuilder().commit().checkpoint(77).commit());
  scene.open();
  MemorySink sink;
  EXPECT_EQ(capture(scene.path(), sink, within(10s)).grade, Grade::certified);
  EXPECT_EQ(sink.wal, WalBuilder().commit().commit().bytes());
}

// The heart: a checkpoint frees a block that was not yet read and another transaction writes it.
TEST(Capture, ABlockFreedBeforeItIsReadMakesANewTarget) {
  Scene scene;
  scene.put_wal(WalBuilder().commit());
  scene.open();
  MemorySink sink;
  sink.at_block[130] = [&] {
    scene.put_wal(WalBuilder().commit().checkpoint(pointer(kMetadataBlock, 3)));
    scene.checkpoint({500});
    scene.write_block(500, 6);
    scene.put_wal(WalBuilder().insert(60).flush());
  };
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_EQ(image.grade, Grade::certified);
  EXPECT_EQ(image.header->iteration, 6);
  EXPECT_EQ(image.rounds, 2);
  EXPECT_EQ(sink.wal, WalBuilder().insert(60).flush().bytes());
  EXPECT_FALSE(sink.blocks.contains(500));
}

// From DuckDB 1.5 on the block is written before the header that frees it can be seen.
TEST(Capture, ABlockWrittenAnewBeforeItsHeaderAppearsIsNotInTheImage) {
  Scene scene;
  scene.put_wal(WalBuilder().commit());
  scene.open();
  MemorySink sink;
  sink.at_block[130] = [&] {
    scene.put_wal(WalBuilder().commit().checkpoint(pointer(kMetadataBlock, 3)));
    scene.write_block(300, 6);
  };
  sink.at_block[520] = [&] {
    scene.checkpoint({300});
    scene.put_wal(WalBuilder().commit());
  };
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_EQ(image.header->iteration, 6);
  EXPECT_FALSE(sink.blocks.contains(300));
}

TEST(Capture, ACheckpointThatFreesOnlyWhatWasReadAndProvenDoesNotLoseTheTarget) {
  Scene scene;
  scene.put_wal(WalBuilder().commit());
  scene.open();
  MemorySink sink;
  // By the time block 400 is taken, a clean point has proven the run of block 10.
  sink.at_block[400] = [&] {
    scene.put_wal(WalBuilder().commit().checkpoint(pointer(kMetadataBlock, 3)));
    scene.checkpoint({10});
    scene.write_block(10, 6);
    scene.put_wal(WalBuilder().insert(60).flush());
  };
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_EQ(image.grade, Grade::certified);
  EXPECT_EQ(image.rounds, 1);
  EXPECT_EQ(image.header->iteration, 5);
  EXPECT_EQ(sink.generation_of(10), 5);
  EXPECT_EQ(sink.wal, WalBuilder().commit().bytes());
}

TEST(Capture, AMissedHeaderMakesANewTarget) {
  Scene scene;
  scene.put_wal(WalBuilder().commit());
  scene.open();
  MemorySink sink;
  sink.at_block[130] = [&] {
    scene.checkpoint({});
    scene.checkpoint({});
    scene.put_wal(WalBuilder().insert(60).flush());
  };
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_EQ(image.rounds, 2);
  EXPECT_EQ(image.header->iteration, 7);
}

TEST(Capture, BlocksThatTheWalRefersToAreInTheImageThoughTheHeaderCallsThemFree) {
  Scene scene;
  scene.checkpoint({20, 21, 599});
  scene.write_block(20, 7);
  scene.flip_byte(block_offset(21, kBlockBytes) + 100);
  scene.put_wal(WalBuilder().row_groups().flush());
  scene.open();
  MemorySink sink;
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_EQ(image.grade, Grade::certified);
  EXPECT_EQ(sink.generation_of(20), 7);
  EXPECT_FALSE(sink.blocks.contains(21)) << "what is not whole cannot be referred to";
  EXPECT_TRUE(sink.blocks.contains(599));
}

TEST(Capture, AFileSwappedForAnotherIsCapturedFromTheNewOne) {
  Scene scene;
  scene.put_wal(WalBuilder().commit());
  scene.open();
  MemorySink sink;
  sink.at_block[130] = [&] {
    DatabaseBuilder other(kBlockBytes);
    other.header.iteration = 40;
    other.header.block_count = 2;
    other.write_chain(test::free_list_bytes({.free = {}, .multi_use = {}, .metadata = {{0, 1}}}),
                      {pointer(0, 1)});
    other.write_block(1, Bytes{1});
    scene.remove_wal();
    fs::path beside = scene.folder().put("new.duckdb", other.file());
    rename_file(beside, scene.path());
  };
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_EQ(image.header->iteration, 40);
  EXPECT_EQ(sink.blocks.size(), 2);
}

TEST(Capture, ADamagedBlockIsNamedAndTheCopyRefused) {
  Scene scene;
  scene.flip_byte(block_offset(33, kBlockBytes) + 100);
  MemorySink sink;
  std::string message = error_of(Errc::corrupt, [&] { capture(scene.path(), sink, within(10s)); });
  EXPECT_THAT(message, HasSubstr("block 33 (offset 552960)"));
  EXPECT_THAT(message, HasSubstr("--allow-damaged"));
}

TEST(Capture, ADamagedBlockOfAnOpenDatabaseIsNamedToo) {
  Scene scene;
  scene.flip_byte(block_offset(33, kBlockBytes) + 100);
  scene.put_wal(WalBuilder().commit());
  scene.open();
  MemorySink sink;
  EXPECT_THAT(error_of(Errc::corrupt, [&] { capture(scene.path(), sink, within(10s)); }),
              HasSubstr("block 33"));
}

TEST(Capture, ADamagedBlockIsKeptAsItIsWhenAllowed) {
  Scene scene;
  scene.flip_byte(block_offset(33, kBlockBytes) + 100);
  MemorySink sink;
  CaptureOptions options = within(10s);
  options.allow_damaged = true;
  Image image = capture(scene.path(), sink, options);
  ASSERT_EQ(image.damaged.size(), 1);
  EXPECT_EQ(image.damaged[0].id, 33);
  Bytes scratch;
  EXPECT_FALSE(block_is_whole(sink.blocks.at(33), nullptr, scratch));
}

TEST(Capture, ATornBlockIsReadAgainUntilItIsWhole) {
  Scene scene;
  scene.put_wal(WalBuilder().commit());
  scene.flip_byte(block_offset(500, kBlockBytes) + 100);
  scene.open();
  MemorySink sink;
  sink.at_block[599] = [&] { scene.write_block(500, 5); };
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_TRUE(image.damaged.empty());
  EXPECT_EQ(sink.generation_of(500), 5);
}

TEST(Capture, ATruncatedDatabaseIsRefused) {
  Scene scene;
  scene.file().truncate(block_offset(590, kBlockBytes) + 5);
  MemorySink sink;
  std::string message = error_of(Errc::corrupt, [&] { capture(scene.path(), sink, within(10s)); });
  EXPECT_THAT(message, HasSubstr("is truncated"));
  EXPECT_THAT(message, HasSubstr("10 of those in use"));
}

TEST(Capture, AWalOfAnotherDatabaseIsRefused) {
  Scene scene;
  DatabaseId other{};
  other[3] = 9;
  scene.put_wal(WalBuilder(other, 5).commit());
  MemorySink sink;
  EXPECT_THAT(error_of(Errc::corrupt, [&] { capture(scene.path(), sink, within(10s)); }),
              HasSubstr("belongs to another database"));
  scene.open();
  EXPECT_THAT(error_of(Errc::corrupt, [&] { capture(scene.path(), sink, within(10s)); }),
              HasSubstr("belongs to another database"));
}

TEST(Capture, AWalOfAnotherCheckpointIsRefusedWithBothNumbers) {
  Scene scene;
  scene.put_wal(WalBuilder(DatabaseId{}, 3).commit());
  MemorySink sink;
  std::string message = error_of(Errc::corrupt, [&] { capture(scene.path(), sink, within(10s)); });
  EXPECT_THAT(message, HasSubstr("checkpoint 3"));
  EXPECT_THAT(message, HasSubstr("checkpoint 5"));
}

TEST(Capture, AGarbageIdentifierBesideAZeroWalIsRepaired) {
  Scene scene;
  scene.database().main.version = 65;
  scene.database().main.identifier[0] = 77;
  scene.file().write_at(0, test::main_header(scene.database().main));
  scene.put_wal(WalBuilder(DatabaseId{}, 5).commit());
  MemorySink sink;
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_TRUE(image.identifier_repaired);
  EXPECT_EQ(read_main_header(MemorySource("image", image.head)).identifier, DatabaseId{});
}

// What DuckDB's recovery would put together, state by state.
TEST(Capture, AnUnfinishedCheckpointLeavesBothWalsWithoutTheMarker) {
  Scene scene;
  scene.put_wal(WalBuilder().commit().checkpoint(pointer(kMetadataBlock, 9)));
  scene.put_wal(WalBuilder().insert(60).flush().insert(), ".wal.checkpoint");
  MemorySink sink;
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_EQ(image.grade, Grade::cold);
  EXPECT_EQ(image.wal_commits, 2);
  EXPECT_EQ(sink.wal, WalBuilder().commit().insert(60).flush().bytes());
}

TEST(Capture, AFinishedCheckpointLeavesOnlyTheWalThatFollowedIt) {
  Scene scene;
  scene.put_wal(WalBuilder().commit().checkpoint(scene.database().header.meta_block));
  MemorySink sink;
  EXPECT_EQ(capture(scene.path(), sink, within(10s)).wal_bytes, 0);
  scene.put_wal(WalBuilder().insert(60).flush(), ".wal.checkpoint");
  capture(scene.path(), sink, within(10s));
  EXPECT_EQ(sink.wal, WalBuilder().insert(60).flush().bytes());
}

TEST(Capture, ALoneCheckpointWalIsTheWal) {
  Scene scene;
  scene.put_wal(WalBuilder(DatabaseId{}, 5).commit(), ".wal.checkpoint");
  MemorySink sink;
  EXPECT_EQ(capture(scene.path(), sink, within(10s)).wal_commits, 1);
}

TEST(Capture, ACheckpointWalBesideAWalWithoutMarkerIsALeftover) {
  Scene scene;
  scene.put_wal(WalBuilder().commit());
  scene.put_wal(WalBuilder().insert(60).flush(), ".wal.checkpoint");
  MemorySink sink;
  capture(scene.path(), sink, within(10s));
  EXPECT_EQ(sink.wal, WalBuilder().commit().bytes());
}

// The catalog root comes back to where it was: only the iteration tells that this checkpoint was
// not finished.
TEST(Capture, TheIterationDecidesOverAMarkerThatPointsToTheActiveCatalog) {
  Scene scene;
  scene.put_wal(
      WalBuilder(DatabaseId{}, 5).commit().checkpoint(scene.database().header.meta_block));
  MemorySink sink;
  EXPECT_EQ(capture(scene.path(), sink, within(10s)).wal_commits, 1);
}

TEST(Capture, ADamagedWalIsNamedWithItsOffset) {
  Scene scene;
  WalBuilder wal;
  wal.commit();
  std::uint64_t whole = wal.size();
  wal.commit();
  scene.put_wal(wal);
  File::open_write(scene.path().string() + ".wal").write_at(whole + 20, Bytes{0xee});
  MemorySink sink;
  EXPECT_THAT(error_of(Errc::corrupt, [&] { capture(scene.path(), sink, within(10s)); }),
              HasSubstr("the entry at offset " + std::to_string(whole)));
  CaptureOptions options = within(10s);
  options.allow_damaged = true;
  Image image = capture(scene.path(), sink, options);
  EXPECT_EQ(sink.wal, WalBuilder().commit().bytes());
  EXPECT_TRUE(image.wal_damaged);
  EXPECT_THAT(image.warnings.at(0), HasSubstr("the copy ends there"));
}

// DuckDB keeps it open and goes on.
TEST(Capture, AGarbageWalOfAnOpenDatabaseIsTakenWholeWhereThatIsAllowed) {
  Scene scene;
  Bytes garbage(300, 0xa7);
  scene.folder().put("app.duckdb.wal", garbage);
  scene.open();
  MemorySink sink;
  error_of(Errc::corrupt, [&] { capture(scene.path(), sink, within(10s)); });
  CaptureOptions options = within(10s);
  options.allow_damaged = options.whole_if_unreadable = true;
  Image image = capture(scene.path(), sink, options);
  EXPECT_EQ(image.grade, Grade::quiet);
  EXPECT_EQ(sink.wal, garbage);
  EXPECT_THAT(image.wal_unreadable, HasSubstr("the WAL's first entry"));
}

TEST(Capture, AWalBesideTheLinkAndAnotherBesideTheFileIsRefused) {
  Scene scene;
  fs::path link = scene.folder() / "link.duckdb";
  fs::create_symlink(scene.path(), link);
  EXPECT_EQ(find_siblings(link, scene.path()).wal, fs::path(scene.path().string() + ".wal"));
  scene.folder().put("link.duckdb.wal", WalBuilder().commit().bytes());
  EXPECT_EQ(find_siblings(link, scene.path()).wal, fs::path(link.string() + ".wal"));
  scene.put_wal(WalBuilder().commit());
  EXPECT_THAT(error_of(Errc::refused, [&] { find_siblings(link, scene.path()); }),
              HasSubstr("cannot be told"));
}

// DuckDB up to 1.4 writes it there.
TEST(Capture, AWalThatComesBesideTheLinkMeanwhileIsSeen) {
  Scene scene;
  scene.open();
  fs::path link = scene.folder() / "link.duckdb";
  fs::create_symlink(scene.path(), link);
  MemorySink sink;
  sink.at_block[300] = [&] {
    scene.folder().put("link.duckdb.wal", WalBuilder().commit().bytes());
  };
  Image image = capture(link, sink, within(10s));
  EXPECT_EQ(image.grade, Grade::certified);
  EXPECT_EQ(image.wal_bytes, 0) << "the state before its commit";
}

TEST(Capture, AWalThatCameBesideTheLinkBelongsToTheNextRound) {
  Scene scene;
  scene.open();
  fs::path link = scene.folder() / "link.duckdb";
  fs::create_symlink(scene.path(), link);
  MemorySink sink;
  sink.at_block[300] = [&] {
    scene.checkpoint({500});
    scene.folder().put("link.duckdb.wal", WalBuilder().commit().bytes());
  };
  Image image = capture(link, sink, within(10s));
  EXPECT_EQ(image.grade, Grade::certified);
  EXPECT_EQ(sink.wal, WalBuilder().commit().bytes());
}

TEST(Capture, WhatIsNoDatabaseIsRefusedByWhatItLooksLike) {
  TestFolder folder;
  MemorySink sink;
  auto refusal = [&](const std::string& name, ByteView bytes) {
    fs::path path = folder.put(name, bytes);
    return error_of(Errc::refused, [&] { capture(path, sink, within(1s)); });
  };
  EXPECT_THAT(refusal("empty", {}), HasSubstr("0 bytes"));
  EXPECT_THAT(refusal("zeros", Bytes(20000)), HasSubstr("only zeros"));
  EXPECT_THAT(refusal("sqlite", as_bytes("SQLite format 3\0 and more")), HasSubstr("SQLite"));
  EXPECT_THAT(refusal("text", as_bytes("id,name\n1,duck\n")), HasSubstr("text"));
}

TEST(Capture, AStopIsHeeded) {
  Scene scene;
  scene.put_wal(WalBuilder().commit().checkpoint(77));
  scene.open();
  std::stop_source stop;
  stop.request_stop();
  CaptureOptions options = within(10s);
  options.stop = stop.get_token();
  MemorySink sink;
  EXPECT_THROW(capture(scene.path(), sink, options), Interrupted);
}

TEST(Capture, AnEncryptedDatabaseIsCopiedWholeWithoutItsKey) {
  TestFolder folder;
  DatabaseId identifier{};
  identifier[5] = 1;
  test::Sealer sealer({.authenticated_v1 = true, .cipher = Encryption::Cipher::gcm}, identifier,
                      "a key");
  DatabaseBuilder database(kBlockBytes, &sealer);
  database.main.version = 68;
  database.main.identifier = identifier;
  database.header.block_count = 3;
  database.write_chain(test::free_list_bytes({.free = {2}, .multi_use = {}, .metadata = {{0, 1}}}),
                       {pointer(0, 1)});
  database.write_block(2, Bytes{9});
  Bytes bytes = database.file();
  fs::path path = folder.put("sealed.duckdb", bytes);
  Bytes wal = WalBuilder(identifier, 5, &sealer).commit().bytes();
  folder.put("sealed.duckdb.wal", wal);

  MemorySink sink;
  Image image = capture(path, sink, within(10s));
  EXPECT_EQ(image.grade, Grade::cold);
  EXPECT_FALSE(image.header);
  EXPECT_EQ(sink.blocks.size(), 3);
  EXPECT_EQ(sink.wal, wal);
  EXPECT_TRUE(std::equal(image.head.begin(), image.head.end(), bytes.begin()));

  CaptureOptions options = within(10s);
  options.key = "a key";
  image = capture(path, sink, options);
  EXPECT_EQ(sink.blocks.size(), 2) << "with the key, free blocks are known";
  options.key = "another";
  EXPECT_THAT(error_of(Errc::invalid, [&] { capture(path, sink, options); }),
              HasSubstr("does not open"));
}

// Takes blocks from several threads, as one that stores them does.
class CrowdSink : public MemorySink {
 public:
  std::size_t threads() const override { return 4; }
  bool holds(std::uint64_t offset, ByteView) override {
    return held.contains((offset - kBlockStart) / kBlockBytes);
  }
  void write_blocks(std::uint64_t offset, Bytes&& bytes) override {
    if (before_write) before_write(offset);
    std::lock_guard lock(mutex_);
    for (std::size_t at = 0; at < bytes.size(); at += kBlockBytes) ++written[offset + at];
    MemorySink::write_blocks(offset, std::move(bytes));
  }

  std::function<void(std::uint64_t offset)> before_write;
  std::set<std::uint64_t> held;
  std::map<std::uint64_t, int> written;  // by offset

 private:
  std::mutex mutex_;
};

TEST(Capture, ASinkOfSeveralThreadsGetsTheSameBlocksEachOnce) {
  for (bool open : {false, true}) {
    Scene scene;
    scene.put_wal(WalBuilder().commit());
    if (open) scene.open();
    MemorySink one;
    CrowdSink several;
    capture(scene.path(), one, within(10s));
    Image image = capture(scene.path(), several, within(10s));
    EXPECT_EQ(image.grade, open ? Grade::certified : Grade::cold);
    EXPECT_EQ(several.blocks, one.blocks);
    EXPECT_EQ(several.written.size(), kBlocks);
    for (const auto& [offset, times] : several.written) EXPECT_EQ(times, 1) << offset;
  }
}

TEST(Capture, ADamagedBlockIsKeptForASinkOfSeveralThreadsToo) {
  Scene scene;
  for (std::uint64_t id : {33, 34, 577}) scene.flip_byte(block_offset(id, kBlockBytes) + 100);
  CrowdSink sink;
  CaptureOptions options = within(10s);
  EXPECT_THAT(error_of(Errc::corrupt, [&] { capture(scene.path(), sink, options); }),
              HasSubstr("block 33"));
  options.allow_damaged = true;
  Image image = capture(scene.path(), sink, options);
  EXPECT_EQ(image.damaged_blocks, 3);
  EXPECT_EQ(sink.blocks.size(), kBlocks);
}

TEST(Capture, WhatTheSinkHoldsIsNeitherVerifiedNorWritten) {
  for (bool open : {false, true}) {
    Scene scene;
    scene.put_wal(WalBuilder().commit());
    scene.flip_byte(block_offset(33, kBlockBytes) + 100);
    if (open) scene.open();
    CrowdSink sink;
    sink.held = {0, 33, 34, kBlocks - 1};
    Image image = capture(scene.path(), sink, within(10s));
    EXPECT_EQ(image.damaged_blocks, 0);
    EXPECT_EQ(image.blocks, kBlocks);
    EXPECT_EQ(sink.blocks.size(), kBlocks - sink.held.size());
    for (std::uint64_t id : sink.held) EXPECT_FALSE(sink.blocks.contains(id)) << id;
  }
}

// A capture without the database's key reads pieces again, and those that changed are written
// again: a slow write must not be overtaken by the one that counts.
TEST(Capture, NoBlockIsWrittenAgainBeforeItsFirstWriteHasEnded) {
  Scene scene;
  test::Sealer sealer({.authenticated_v1 = true, .cipher = Encryption::Cipher::gcm}, {}, "a key");
  DatabaseBuilder database(kBlockBytes, &sealer);
  database.main.version = 68;
  database.write_chain(test::free_list_bytes({.free = {}, .multi_use = {}, .metadata = {{0, 1}}}),
                       {pointer(0, 1)});
  for (std::uint64_t id = 1; id < 4; ++id) database.write_block(id, Bytes{9});
  database.header.block_count = 4;
  scene.folder().put("app.duckdb", database.file());
  scene.open();

  CrowdSink sink;
  std::mutex mutex;
  std::condition_variable second_came;
  std::atomic<int> writes = 0;
  bool overtaken = false;
  sink.before_write = [&](std::uint64_t offset) {
    if (offset != kBlockStart) return;
    if (++writes > 1) {
      second_came.notify_all();
      return;
    }
    scene.flip_byte(kBlockStart + 1000);
    std::unique_lock lock(mutex);
    overtaken = second_came.wait_for(lock, 200ms, [&] { return writes > 1; });
  };
  Image image = capture(scene.path(), sink, within(10s));
  EXPECT_EQ(image.grade, Grade::quiet);
  EXPECT_GE(writes, 2);
  EXPECT_FALSE(overtaken);
  Bytes now(kBlockBytes);
  scene.file().read_at(kBlockStart, now);
  EXPECT_EQ(sink.blocks.at(0), now);
}

}  // namespace
}  // namespace duckback
