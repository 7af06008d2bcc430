#pragma once

#include "io/file.h"

namespace duckback {

// What is not complete yet lives beside its destination, under a name of its own, private to the
// user, and is gone when the object is: `.NAME.duckback-XXXXXX`. It is held by a shared flock(2)
// for as long, so that what a killed process left can be told from what is still in use.

class TempFile {
 public:
  // Beside `destination`. Mode 0600.
  static TempFile beside(const fs::path& destination);
  // Takes over the file at `made`, of the same filesystem, which loses that name.
  static TempFile adopt(const fs::path& made, const fs::path& destination);

  TempFile(TempFile&& other) noexcept
      : path_(std::exchange(other.path_, {})), file_(std::move(other.file_)) {}
  TempFile& operator=(TempFile&& other) noexcept;
  ~TempFile();

  const File& file() const { return file_; }
  const fs::path& path() const { return path_; }

  // Gives the file its name, replacing what had it; it is no temporary file any more. Not durable
  // before sync_folder().
  void rename_to(const fs::path& destination);
  // The same, but false if `destination` exists.
  [[nodiscard]] bool rename_to_new(const fs::path& destination);

 private:
  TempFile(fs::path path, File file) : path_(std::move(path)), file_(std::move(file)) {}
  fs::path path_;  // empty: not ours to remove
  File file_;
};

class TempFolder {
 public:
  // Beside `destination`. Mode 0700.
  static TempFolder beside(const fs::path& destination);

  TempFolder(TempFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}
  TempFolder& operator=(TempFolder&&) = delete;
  ~TempFolder();

  const fs::path& path() const { return path_; }

 private:
  TempFolder(fs::path path, File lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  fs::path path_;
  File lock_;
};

// The right to make the file `destination`, for as long as the object lives: a second one is
// Errc::conflict, in this process or another. One that was killed holds nobody up. Where the
// filesystem has no locks, nobody is kept out.
class Claim {
 public:
  explicit Claim(const fs::path& destination);
  ~Claim();
  Claim(const Claim&) = delete;

 private:
  fs::path path_;
  int descriptor_ = -1;
};

// Removes the temporary files and folders that killed processes left beside `destination`, of this
// and other destinations, and returns how many. Only what was last written before `before`, by the
// filesystem's clock: where other machines write too, locks may not tell.
std::size_t remove_leftovers(const fs::path& destination, SystemTime before = SystemTime::max());

}  // namespace duckback
