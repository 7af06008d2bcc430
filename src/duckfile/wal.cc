#include "duckfile/wal.h"

#include <algorithm>

#include "base/byte_reader.h"
#include "base/error.h"
#include "duckfile/checksum.h"

namespace duckback {
namespace {

// Entry types of duckdb: src/include/duckdb/common/enums/wal_type.hpp.
constexpr std::uint8_t kRowGroupData = 29;
constexpr std::uint8_t kVersion = 98;
constexpr std::uint8_t kCheckpoint = 99;
constexpr std::uint8_t kFlush = 100;

constexpr std::size_t kHeaderBytesMost = 128;
constexpr std::size_t kStartBytes = 64;  // of a payload: enough for any field we look at
constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::size_t kTagBytes = 16;
constexpr std::uint64_t kEntryBytesMost = std::uint64_t{1} << 48;
constexpr std::uint64_t kFlushBytes = 5;  // no other entry is as short
constexpr std::uint64_t kCheckpointBytesLeast = 9;
constexpr std::uint64_t kCheckpointBytesMost = 25;
constexpr std::size_t kStaleMarkersMost = 1000;

constexpr std::uint16_t kObjectEnd = 0xffff;

void expect_field(ByteReader& reader, std::uint16_t id, std::string_view what) {
  if (reader.read<std::uint16_t>(what) != id) reader.fail(what);
}

WalHeader parse_wal_header(ByteView bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  WalHeader header;
  expect_field(reader, 100, "the type of the WAL's first entry");
  if (reader.read<std::uint8_t>("entry type") != kVersion) reader.fail("a WAL version entry");
  expect_field(reader, 101, "the WAL version");
  auto version = reader.read_leb128("the WAL version");
  if (version != 2 && version != 3) {
    throw Error(Errc::unsupported,
                "{}: WAL version {} is not known (DuckDB 1.0 to 2.0 write 2 or 3)", name, version);
  }
  header.encrypted = version == 3;
  auto field = reader.read<std::uint16_t>("a field of the WAL version");
  if (field == 102) {
    if (reader.read_leb128("identifier length") != 16) reader.fail("an identifier of 16 bytes");
    header.identifier.emplace();
    for (std::uint8_t& byte : *header.identifier) {
      auto value = reader.read_leb128("identifier");
      if (value > 255) reader.fail("identifier bytes");
      byte = static_cast<std::uint8_t>(value);
    }
    field = reader.read<std::uint16_t>("a field of the WAL version");
  }
  if (field == 103) {
    header.iteration = reader.read_leb128("checkpoint iteration");
    field = reader.read<std::uint16_t>("a field of the WAL version");
  }
  if (field != kObjectEnd) reader.fail("the end of the WAL version entry");
  header.bytes = reader.position();
  return header;
}

// The catalog root in a CHECKPOINT payload. A pointer of 0 is left out by DuckDB's serializer.
std::uint64_t parse_meta_block(const Bytes& start, const std::string& name, std::uint64_t offset) {
  ByteReader reader(start, name, offset);
  reader.skip(3, "the type of the entry");
  expect_field(reader, 101, "the catalog pointer of a CHECKPOINT entry");
  auto field = reader.read<std::uint16_t>("a field of the catalog pointer");
  return field == 100 ? reader.read_leb128("block pointer") : 0;
}

}  // namespace

WalScanner::WalScanner(const ByteSource& file, std::optional<Encryption> encryption,
                       const BlockCipher* cipher)
    : file_(file), encryption_(encryption), cipher_(cipher) {}

const WalContent& WalScanner::scan() {
  if (!content_.header && !read_header()) return content_;
  if (!tag_unsettled_) {
    scan_entries();
    return content_;
  }
  for (std::size_t tag_bytes : {kTagBytes, std::size_t{0}}) {
    tag_bytes_ = tag_bytes;
    scan_entries();
    tag_unsettled_ = content_.commits == 0 && !marker_closed_;
    if (!tag_unsettled_) break;
  }
  return content_;
}

bool WalScanner::read_header() {
  buffer_.resize(kHeaderBytesMost);
  std::size_t count = file_.read_at(0, buffer_);
  // A WAL that is being created has no or half a header; nothing is committed in it.
  bool whole = count == kHeaderBytesMost;
  for (std::size_t i = 0; i + 1 < count && !whole; ++i)
    whole = buffer_[i] == 0xff && buffer_[i + 1] == 0xff;
  if (!whole) return false;
  WalHeader header = parse_wal_header(ByteView(buffer_).first(count), file_.name());
  if (header.encrypted) {
    if (!encryption_) {
      throw Error(Errc::corrupt, "{}: expected a plain WAL, its database is not encrypted",
                  file_.name());
    }
    bool gcm = encryption_->cipher == Encryption::Cipher::gcm;
    tag_bytes_ = gcm ? kTagBytes : 0;
    tag_unsettled_ = !gcm && !encryption_->authenticated_v1;
  }
  content_.committed_end = content_.end_before_row_groups = content_.scanned_end = header.bytes;
  content_.header = header;
  return true;
}

void WalScanner::scan_entries() {
  // What is behind the last FLUSH may have been cut off and written anew since.
  if (!marker_closed_) content_.marker.reset();
  std::uint64_t offset = content_.marker ? content_.marker->range.end : content_.committed_end;
  std::erase_if(content_.stale_markers,
                [&](const WalMarker& marker) { return marker.range.begin >= offset; });
  entries_in_transaction_ = 0;
  transaction_has_row_groups_ = false;
  open_marker_.reset();
  for (Step step = Step::advanced; step == Step::advanced;) {
    std::uint64_t next = offset;
    step = scan_entry(offset, next);
    content_.bad_entry = step == Step::bad;
    if (step == Step::advanced) offset = next;
  }
  content_.scanned_end = offset;
  if (!content_.marker) content_.marker = open_marker_;
}

WalScanner::Step WalScanner::scan_entry(std::uint64_t offset, std::uint64_t& next) {
  bool encrypted = content_.header->encrypted;
  std::array<std::uint8_t, 24> frame;
  std::size_t nonce_bytes = encrypted ? encryption_->nonce_bytes() : 0;
  std::size_t frame_bytes = 8 + (encrypted ? nonce_bytes : 8);
  if (file_.read_at(offset, MutableBytes(frame).first(frame_bytes)) < frame_bytes)
    return Step::incomplete;
  auto size = load_le<std::uint64_t>(frame.data());
  if (size > kEntryBytesMost) return Step::incomplete;

  // An encrypted entry seals checksum and payload together.
  std::uint64_t begin = offset + frame_bytes;
  std::uint64_t body = encrypted ? size + 8 : size;
  next = begin + body + tag_bytes_;
  std::uint8_t last = 0;
  if (file_.read_at(next - 1, MutableBytes(&last, 1)) < 1) return Step::incomplete;
  if (encrypted && cipher_ == nullptr) {
    if (size < kFlushBytes) return Step::bad;
    bool flush = size == kFlushBytes;
    bool like_marker = size >= kCheckpointBytesLeast && size <= kCheckpointBytesMost;
    enter(flush ? kFlush : like_marker ? kCheckpoint : kRowGroupData, {}, {offset, next});
    return Step::advanced;
  }

  std::optional<BlockCipher::Stream> stream;
  if (encrypted) stream.emplace(*cipher_, ByteView(frame).subspan(8, nonce_bytes));
  std::uint64_t expected = encrypted ? 0 : load_le<std::uint64_t>(frame.data() + 8);
  std::uint64_t sum = 0;
  Bytes start;
  buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(body, kPieceBytes)));
  // Pieces of whole words, so that their checksums combine: all but the first begin from nothing.
  std::uint64_t skip = encrypted ? 8 : 0;
  for (std::uint64_t done = 0; done < body;) {
    std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(body - done, kPieceBytes));
    MutableBytes piece = MutableBytes(buffer_).first(want);
    if (file_.read_at(begin + done, piece) < want) return Step::incomplete;
    if (stream) stream->update(piece);
    ByteView payload = piece;
    if (done == 0) {
      if (encrypted) {
        expected = load_le<std::uint64_t>(piece.data());
        payload = payload.subspan(static_cast<std::size_t>(skip));
      }
      start.assign(payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(
                                                          std::min(payload.size(), kStartBytes)));
      sum = duckdb_checksum(payload);
    } else {
      sum ^= duckdb_checksum(payload) ^ duckdb_checksum({});
    }
    done += want;
  }
  if (body == skip) sum = duckdb_checksum({});
  if (stream) {
    std::array<std::uint8_t, kTagBytes> tag;
    if (file_.read_at(begin + body, MutableBytes(tag).first(tag_bytes_)) < tag_bytes_)
      return Step::incomplete;
    if (!stream->finish(ByteView(tag).first(tag_bytes_))) return Step::bad;
  }
  if (sum != expected) return Step::bad;

  ByteReader reader(start, file_.name(), begin);
  expect_field(reader, 100, "the type of a WAL entry");
  auto type = reader.read<std::uint8_t>("entry type");
  enter(type, start, {offset, next});
  return Step::advanced;
}

void WalScanner::enter(std::uint8_t type, const Bytes& start, ByteRange range) {
  bool known = !start.empty();  // else `type` is a guess by size
  if (open_marker_ && type != kFlush) {
    if (known) {
      // Its FLUSH was lost with a crash: DuckDB up to 1.1 appends behind a torn tail.
      keep_stale(*open_marker_);
    } else {
      ++entries_in_transaction_;
      transaction_has_row_groups_ = true;
    }
    open_marker_.reset();
  }
  if (type == kCheckpoint && (known || entries_in_transaction_ == 0)) {
    open_marker_ = WalMarker{.range = range, .meta_block = kNoPointer};
    if (known) open_marker_->meta_block = parse_meta_block(start, file_.name(), range.begin);
    return;
  }
  if (open_marker_) {
    if (content_.marker) retire_marker();
    open_marker_->range.end = range.end;
    content_.marker = *open_marker_;
    marker_closed_ = true;
    open_marker_.reset();
    return;
  }
  ++entries_in_transaction_;
  if (type == kRowGroupData || !known) transaction_has_row_groups_ = true;
  if (type == kFlush) {
    if (content_.marker) retire_marker();
    commit(range.end);
  }
}

void WalScanner::commit(std::uint64_t end) {
  if (transaction_has_row_groups_ && !content_.has_row_groups) {
    content_.has_row_groups = true;
    content_.end_before_row_groups = content_.committed_end;
  }
  ++content_.commits;
  content_.committed_end = end;
  if (!content_.has_row_groups) {
    content_.end_before_row_groups = end;
    content_.commits_before_row_groups = content_.commits;
  }
  entries_in_transaction_ = 0;
  transaction_has_row_groups_ = false;
}

void WalScanner::retire_marker() {
  WalMarker marker = *content_.marker;
  content_.marker.reset();
  marker_closed_ = false;
  if (marker.meta_block != kNoPointer) {
    keep_stale(marker);
  } else {
    // Without the key: with more behind it, it was a commit, or must at least not be cut out.
    transaction_has_row_groups_ = true;
    commit(marker.range.end);
  }
}

void WalScanner::keep_stale(const WalMarker& marker) {
  if (content_.stale_markers.size() >= kStaleMarkersMost) {
    throw Error(Errc::corrupt, "{}: expected at most {} CHECKPOINT entries", file_.name(),
                kStaleMarkersMost);
  }
  // One whose FLUSH was lost is known to be stale before a closed one in front of it is.
  auto place =
      std::find_if(content_.stale_markers.begin(), content_.stale_markers.end(),
                   [&](const WalMarker& other) { return other.range.begin > marker.range.begin; });
  content_.stale_markers.insert(place, marker);
}

std::vector<ByteRange> shipped_ranges(const WalContent& content, std::uint64_t end) {
  std::vector<ByteRange> ranges;
  std::uint64_t begin = 0;
  for (const WalMarker& marker : content.stale_markers) {
    if (marker.range.begin >= end) break;
    ranges.push_back({begin, marker.range.begin});
    begin = marker.range.end;
  }
  if (begin < end) ranges.push_back({begin, end});
  return ranges;
}

}  // namespace duckback
