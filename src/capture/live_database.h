#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "capture/capture.h"
#include "duckfile/crypto.h"
#include "duckfile/wal.h"

namespace duckback {

// The WAL at a path, which a checkpoint replaces by another file (with a recycled inode number,
// maybe: so the one looked at stays open).
class LiveWal {
 public:
  LiveWal(fs::path path, std::optional<Encryption> encryption, const BlockCipher* cipher)
      : path_(std::move(path)), encryption_(encryption), cipher_(cipher) {}

  // Opens what the path names now, if that is another file than before. False if it names nothing.
  bool follow();
  // The path names the open file.
  bool in_place() const;
  // A FLUSH ends the file though the scan ended before it, at an entry that is not whole.
  bool hides_a_flush() const;
  // Scans what is new. Only after follow() was true.
  const WalContent& scan() { return scanner_->scan(); }
  const WalContent& content() const { return scanner_->content(); }
  std::shared_ptr<const File> file() const { return file_; }

 private:
  fs::path path_;
  std::optional<Encryption> encryption_;
  const BlockCipher* cipher_;
  std::shared_ptr<const File> file_;
  std::unique_ptr<WalScanner> scanner_;
};

// What of a database can be compared to see whether it rests.
struct Stillness {
  FileStat database;
  std::optional<FileStat> wal;
  std::array<Slot, 2> slots{};
  bool operator==(const Stillness&) const = default;
  // Since any of it changed last, by the file system's clock.
  std::chrono::nanoseconds unchanged_for() const;
};

// A database file that others may be writing to, seen from outside: opened once, never locked.
class LiveDatabase {
 public:
  // Throws as read_main_header(), and Errc::invalid for a key that does not fit.
  LiveDatabase(const fs::path& given, const std::optional<std::string>& key);

  const File& file() const { return file_; }
  const MainHeader& main() const { return main_; }
  const BlockCipher* cipher() const { return cipher_.get(); }
  // Encrypted, and the key is not at hand.
  bool opaque() const { return main_.encryption.has_value() && cipher_ == nullptr; }
  const Siblings& siblings() const { return siblings_; }
  LiveWal& wal() { return *wal_; }
  // LiveWal::follow() where DuckDB keeps the WAL now: that of a link may come at either end of it.
  bool follow_wal();

  // The path still names the file that was opened.
  bool in_place() const;
  // The main header is as it was read.
  bool main_header_stands() const;
  // Both header slots; waits out a write to one of them. Throws Errc::corrupt if one stays wrong.
  Slots slots() const;
  Stillness stillness();

  // A moment at which no checkpoint of the generation that is returned had begun: the same header
  // before and after, database and WAL in place, a commit in the WAL and no marker behind it. Empty
  // if that cannot be said now.
  std::optional<Slots> find_clean_point();

 private:
  void look_for_wal();

  fs::path given_;
  fs::path resolved_;
  File file_;
  FileStat opened_;
  MainHeader main_;
  std::unique_ptr<BlockCipher> cipher_;
  Siblings siblings_;
  std::unique_ptr<LiveWal> wal_;
};

}  // namespace duckback
