#include "ops/upload_sink.h"

#include <algorithm>

#include "base/error.h"

namespace duckback {

UploadSink::UploadSink(Store& store, std::string key, Options options)
    : store_(store),
      key_(std::move(key)),
      options_(std::move(options)),
      scratch_(File::create_anonymous(options_.scratch)) {}

UploadSink::~UploadSink() { stop_worker(); }

void UploadSink::begin(std::uint64_t file_bytes, std::uint64_t block_bytes, ByteView head) {
  DUCKBACK_ASSERT(head.size() == head_.size());
  end_worker();
  file_bytes_ = file_bytes;
  block_bytes_ = block_bytes;
  std::copy(head.begin(), head.end(), head_.begin());
  scratch_.truncate(0);
  // Other programs need the disk, too, the one that is backed up among them.
  space_ = options_.space.value_or(free_space(options_.scratch) / 2);

  std::uint64_t part_bytes = options_.part_bytes.value_or(part_bytes_for(file_bytes));
  std::size_t count =
      (file_bytes + std::max(part_bytes_, part_bytes) - 1) / std::max(part_bytes_, part_bytes);
  DUCKBACK_ASSERT(part_bytes >= kBlockStart);
  // Parts that are sent cannot become larger, nor be taken back.
  if (part_bytes > part_bytes_ || sent_.size() > count) {
    part_bytes_ = std::max(part_bytes_, part_bytes);
    sender_.reset();
    sent_.clear();
    sender_ = std::make_unique<PartSender>(store_, key_, part_bytes_, count, options_.start);
    sent_.resize(sender_->parts_before());
  }
  parts_.assign(count, Part());
  held_ = 0;
  expected_ = false;
  hash_ = Blake3();
  hashed_ = 0;
}

void UploadSink::for_each_part(std::uint64_t offset, std::uint64_t bytes,
                               const std::function<void(Part&, std::uint64_t)>& visit) {
  for (std::uint64_t at = offset, end = offset + bytes; at < end;) {
    std::size_t number = at / part_bytes_;
    std::uint64_t part_end = std::min(end, (number + 1) * part_bytes_);
    if (parts_.size() <= number) parts_.resize(number + 1);
    visit(parts_[number], part_end - at);
    at = part_end;
  }
}

void UploadSink::expect(const Bitmap& blocks) {
  {
    std::lock_guard lock(mutex_);
    expected_ = true;
    for (Part& part : parts_) part.missing = 0;
    for (std::uint64_t id = blocks.next(0); id < blocks.size(); id = blocks.next(id + 1)) {
      for_each_part(kBlockStart + id * block_bytes_, block_bytes_,
                    [](Part& part, std::uint64_t bytes) { part.missing += bytes; });
    }
  }
  worker_ = std::async(std::launch::async, [this] { work(); });
}

// More room on the disk will come without any block.
bool UploadSink::waits_for_network() const { return working_ || next_ready(); }

void UploadSink::write_blocks(std::uint64_t offset, Bytes&& blocks) {
  DUCKBACK_ASSERT(offset >= kBlockStart);
  {
    std::unique_lock lock(mutex_);
    while (!ended_ && held_ + blocks.size() > space_) {
      if (!waits_for_network()) {
        throw Error(Errc::no_space,
                    "{} has too little space for the parts of the copy that are not complete yet; "
                    "name another folder with --scratch",
                    options_.scratch.string());
      }
      changed_.wait(lock);
    }
    if (ended_) {
      lock.unlock();
      worker_.get();
    }
  }
  scratch_.write_at(offset, blocks);
  std::lock_guard lock(mutex_);
  held_ += blocks.size();
  for_each_part(offset, blocks.size(), [this](Part& part, std::uint64_t bytes) {
    part.held += bytes;
    if (!expected_) return;
    DUCKBACK_ASSERT(part.missing >= bytes);
    part.missing -= bytes;
  });
  changed_.notify_all();
}

// Which part to go on with: the next one to hash, else any that can be sent. Neither the first nor
// the last: what their ends are is known when the image is.
std::optional<std::size_t> UploadSink::next_ready() const {
  auto ready = [&](std::size_t i) { return parts_[i].missing == 0; };
  if (hashed_ + 1 < parts_.size() && ready(hashed_)) return hashed_;
  for (std::size_t i = 1; i + 1 < parts_.size(); ++i) {
    if (ready(i) && !parts_[i].sent) return i;
  }
  return std::nullopt;
}

void UploadSink::work() {
  // Lets nobody wait for a thread that is no more.
  struct Ending {
    UploadSink& sink;
    ~Ending() {
      std::lock_guard lock(sink.mutex_);
      sink.ended_ = true;
      sink.changed_.notify_all();
    }
  };
  Ending ending{*this};
  std::unique_lock lock(mutex_);
  for (;;) {
    std::optional<std::size_t> next;
    changed_.wait(lock, [&] { return ending_ || (next = next_ready()); });
    if (ending_) return;
    working_ = true;
    lock.unlock();
    process(*next, (*next + 1) * part_bytes_);
    lock.lock();
    working_ = false;
    changed_.notify_all();
  }
}

void UploadSink::stop_worker() {
  if (!worker_.valid()) return;
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  worker_.wait();
}

// The same, and throws what went wrong.
void UploadSink::end_worker() {
  stop_worker();
  if (worker_.valid()) worker_.get();
  worker_ = {};
  ending_ = ended_ = working_ = false;
}

Bytes UploadSink::read_part(std::size_t number, std::uint64_t end) const {
  std::uint64_t offset = number * part_bytes_;
  Bytes bytes(end - offset);
  std::size_t count = scratch_.read_at(offset, bytes);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(count), bytes.end(), std::uint8_t{0});
  if (number == 0) std::copy_n(head_.begin(), std::min(head_.size(), bytes.size()), bytes.begin());
  return bytes;
}

void UploadSink::hash_part(std::size_t number, ByteView bytes) {
  if (number != hashed_) return;
  hash_.update(bytes);
  std::lock_guard lock(mutex_);
  ++hashed_;
}

void UploadSink::send_part(std::size_t number, Bytes bytes) {
  Blake3 hash;
  hash.update(bytes);
  Digest digest = hash.digest();
  if (sent_.size() <= number) sent_.resize(number + 1);
  if (sent_[number] == digest) return;
  sender_->send(number, std::move(bytes));
  sent_[number] = digest;
}

void UploadSink::process(std::size_t number, std::uint64_t end) {
  Bytes bytes = read_part(number, end);
  hash_part(number, bytes);
  bool hashed = number < hashed_;
  // A thread of its own looks at parts_ meanwhile, but not at this one: it is complete.
  bool send = number != 0 && !parts_[number].sent;
  if (send) send_part(number, std::move(bytes));
  std::lock_guard lock(mutex_);
  Part& part = parts_[number];
  part.sent = part.sent || send;
  if (!hashed || number == 0) return;
  scratch_.punch_hole(number * part_bytes_, part_bytes_);
  held_ -= part.held;
  part.held = 0;
}

void UploadSink::write_wal(std::uint64_t offset, ByteView bytes) {
  wal_.write(options_.scratch / "wal", offset, bytes);
}

std::optional<UploadSink::Staged> UploadSink::finish(const Image& image) {
  end_worker();
  std::size_t count = (image.file_bytes + part_bytes_ - 1) / part_bytes_;
  bool same_head = std::ranges::equal(image.head, head_);
  if ((hashed_ > 0 && !same_head) || count < sent_.size() || count < hashed_) return std::nullopt;
  std::ranges::copy(image.head, head_.begin());
  parts_.resize(count);

  Bytes first;
  for (std::size_t i = 0; i < count; ++i) {
    if (i < hashed_ && i != 0 && parts_[i].sent) continue;
    if (options_.sending) options_.sending(i * part_bytes_, image.file_bytes);
    Bytes bytes = read_part(i, std::min(image.file_bytes, (i + 1) * part_bytes_));
    hash_part(i, bytes);
    if (i == 0) {
      first = std::move(bytes);
    } else if (!parts_[i].sent) {
      send_part(i, std::move(bytes));
    }
  }
  send_part(0, std::move(first));
  Staged staged{.database = {.upload = sender_->finish(),
                             .bytes = image.file_bytes,
                             .blake3 = hash_.digest()},
                .wal = std::nullopt};
  if (image.wal_bytes > 0) staged.wal = wal_.take(image.wal_bytes);
  return staged;
}

SentFile send_file(Store& store, const std::string& key, const StagedFile& file,
                   const Sending& sending, const UploadStart& start) {
  std::uint64_t part_bytes = part_bytes_for(file.bytes);
  std::size_t parts = (file.bytes + part_bytes - 1) / part_bytes;
  PartSender sender(store, key, part_bytes, parts, start);
  for (std::uint64_t at = 0, number = 0; at < file.bytes; at += part_bytes, ++number) {
    Bytes part(std::min(part_bytes, file.bytes - at));
    if (file.temp.file().read_at(at, part) != part.size()) {
      throw Error(Errc::io, "{} became shorter while it was sent", file.temp.path().string());
    }
    if (sending) sending(at, file.bytes);
    sender.send(number, std::move(part));
  }
  return {.upload = sender.finish(), .bytes = file.bytes, .blake3 = file.blake3};
}

}  // namespace duckback
