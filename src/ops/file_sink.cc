#include "ops/file_sink.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <future>

#include "base/error.h"

namespace duckback {

struct FileSink::Piece {
  std::uint64_t offset = 0;
  std::shared_ptr<const Bytes> bytes;
};

// A thread that does one thing with each piece, in order. It ends at the first failure, which every
// later call throws.
class FileSink::Stage {
 public:
  explicit Stage(std::function<void(const Piece&)> work)
      : work_(std::move(work)), done_(std::async(std::launch::async, [this] { run(); })) {}
  ~Stage() {
    {
      std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    done_.wait();
  }

  void push(Piece piece) {
    std::unique_lock lock(mutex_);
    if (ended_) fail(lock);
    pieces_.push_back(std::move(piece));
    changed_.notify_all();
  }

  void wait_until_idle() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_ || (pieces_.empty() && !working_); });
    if (ended_) fail(lock);
  }

 private:
  void run() {
    Ending ending{*this};
    std::unique_lock lock(mutex_);
    for (;;) {
      working_ = false;
      changed_.notify_all();
      changed_.wait(lock, [this] { return ending_ || !pieces_.empty(); });
      if (ending_) return;
      Piece piece = std::move(pieces_.front());
      pieces_.pop_front();
      working_ = true;
      lock.unlock();
      work_(piece);
      piece = {};
      lock.lock();
    }
  }

  // Lets nobody wait for a thread that is no more.
  struct Ending {
    Stage& stage;
    ~Ending() {
      std::lock_guard lock(stage.mutex_);
      stage.ended_ = true;
      stage.pieces_.clear();
      stage.changed_.notify_all();
    }
  };

  void fail(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    done_.get();
  }

  std::function<void(const Piece&)> work_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> pieces_;
  bool working_ = false;
  bool ending_ = false;
  bool ended_ = false;
  std::shared_future<void> done_;
};

// Reads the next piece while one is hashed.
Digest hash_file(const File& file) {
  constexpr std::size_t kPiece = 4 << 20;
  Blake3 hash;
  std::uint64_t offset = 0;
  Bytes now(kPiece);
  Bytes next(kPiece);
  std::size_t count = file.read_at(0, now);
  while (count > 0) {
    std::future<std::size_t> next_count = std::async(
        std::launch::async, [&, from = offset + count] { return file.read_at(from, next); });
    hash.update(ByteView(now).first(count));
    offset += count;
    count = next_count.get();
    std::swap(now, next);
  }
  return hash.digest();
}

FileSink::FileSink(const fs::path& destination, Purpose purpose)
    : destination_(destination),
      purpose_(purpose),
      database_(TempFile::beside(destination)),
      writer_(std::make_unique<Stage>([this](const Piece& piece) { write(piece); })),
      hasher_(std::make_unique<Stage>([this](const Piece& piece) { hash(piece); })) {}

FileSink::~FileSink() = default;

void FileSink::begin(std::uint64_t file_bytes, std::uint64_t, ByteView head) {
  DUCKBACK_ASSERT(head.size() == head_.size());
  wait_until_idle();
  if (cloned_) {
    database_.file().truncate(0);
    cloned_ = false;
    written_ = Bitmap();
    stale_ = Bitmap();
  }
  ++round_;
  std::uint64_t grains = (std::max(file_bytes, kBlockStart) - kBlockStart + kGrain - 1) / kGrain;
  stale_.resize(grains);
  written_.resize(grains);
  for (std::uint64_t id = written_.next(0); id < grains; id = written_.next(id + 1)) stale_.set(id);
  written_.clear();

  // What lies behind the end that was announced (a free area, maybe) goes.
  database_.file().truncate(std::min(announced_, file_bytes));
  database_.file().truncate(file_bytes);
  announced_ = file_bytes;
  std::copy(head.begin(), head.end(), head_.begin());
  hash_ = Blake3();
  hash_.update(head_);
  hashed_ = kBlockStart;
  in_order_ = true;
}

Bytes FileSink::take_buffer() {
  std::lock_guard lock(mutex_);
  if (spare_.empty()) return {};
  Bytes buffer = std::move(spare_.back());
  spare_.pop_back();
  return buffer;
}

void FileSink::write_blocks(std::uint64_t offset, Bytes&& blocks) {
  DUCKBACK_ASSERT(offset >= kBlockStart);
  {
    std::unique_lock lock(mutex_);
    buffer_done_.wait(lock, [this] { return in_flight_ < kInFlightMost; });
    ++in_flight_;
  }
  std::uint64_t end = offset + blocks.size() - kBlockStart;
  for (std::uint64_t at = offset - kBlockStart; at < end; at += kGrain) written_.set(at / kGrain);

  auto* owned = new Bytes(std::move(blocks));
  std::shared_ptr<const Bytes> shared(owned, [this](Bytes* buffer) {
    std::unique_ptr<Bytes> done(buffer);
    {
      std::lock_guard lock(mutex_);
      --in_flight_;
      if (spare_.size() < kInFlightMost) spare_.push_back(std::move(*done));
    }
    buffer_done_.notify_one();
  });
  if (purpose_ == Purpose::publish) hasher_->push({offset, shared});
  writer_->push({offset, std::move(shared)});
}

void FileSink::write(const Piece& piece) {
  const File& file = database_.file();
  if (round_ > 1) {
    // Most of a later round is what the round before wrote: comparing spares the disk.
    before_.resize(piece.bytes->size());
    if (file.read_at(piece.offset, before_) == before_.size() && before_ == *piece.bytes) return;
  }
  file.write_at(piece.offset, *piece.bytes);
  if (purpose_ == Purpose::publish) {
    file.start_writeback(piece.offset, piece.bytes->size());
  }
}

void FileSink::hash(const Piece& piece) {
  // A live capture begins with blocks from the middle of the file. Hashing the zeros up to them,
  // only to find that the order is another, kept whole rounds waiting (0.2 s a round of 600 MB;
  // beside a checkpoint every 40 ms no round ended).
  if (piece.offset < hashed_ || piece.offset - hashed_ > kHoleMost) in_order_ = false;
  if (!in_order_) return;
  hash_.update_zeros(piece.offset - hashed_);
  hash_.update(*piece.bytes);
  hashed_ = piece.offset + piece.bytes->size();
}

void FileSink::write_wal(std::uint64_t offset, ByteView bytes) {
  wal_.write(destination_, offset, bytes);
}

const ByteSource* FileSink::clone(const File& database) {
  wait_until_idle();
  if (!database_.file().clone_from(database)) return nullptr;
  cloned_ = true;
  return &database_.file();
}

void FileSink::wait_until_idle() {
  writer_->wait_until_idle();
  hasher_->wait_until_idle();
}

// What earlier rounds wrote and this one did not is no part of the image.
void FileSink::erase_stale() {
  static const Bytes zeros(kGrain);
  for (std::uint64_t id = stale_.next(0); id < stale_.size(); id = stale_.next(id + 1)) {
    if (!written_.test(id)) database_.file().write_at(kBlockStart + id * kGrain, zeros);
  }
}

FileSink::Staged FileSink::finish(const Image& image) {
  wait_until_idle();
  const File& file = database_.file();
  erase_stale();
  file.write_at(0, image.head);
  file.truncate(image.file_bytes);

  if (purpose_ == Purpose::scratch) {
    StagedFile database{std::move(database_), image.file_bytes, {}};
    std::optional<StagedFile> wal;
    if (image.wal_bytes > 0) wal = wal_.take(image.wal_bytes);
    return {.database = std::move(database), .wal = std::move(wal)};
  }
  Digest digest;
  if (in_order_ && !cloned_ && image.head == head_ && hashed_ <= image.file_bytes) {
    hash_.update_zeros(image.file_bytes - hashed_);
    digest = hash_.digest();
  } else {
    file.start_writeback(0, 0);
    digest = hash_file(file);
  }
  file.sync();

  std::optional<StagedFile> wal;
  if (image.wal_bytes > 0) {
    wal = wal_.take(image.wal_bytes);
    wal->temp.file().sync();
  }
  return {.database = {std::move(database_), image.file_bytes, digest}, .wal = std::move(wal)};
}

StagedFile stage_file(TempFile temp) {
  const File& file = temp.file();
  file.start_writeback(0, 0);
  Digest digest = hash_file(file);
  file.sync();
  std::uint64_t bytes = file.stat().bytes;
  return {std::move(temp), bytes, digest};
}

}  // namespace duckback
