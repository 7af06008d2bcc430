#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/text.h"

namespace duckback {

namespace fs = std::filesystem;

// Which file, and when it last changed: what stat says, as far as we compare it.
struct FileStat {
  dev_t device = 0;
  ino_t inode = 0;
  std::uint64_t links = 0;
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;  // since the epoch
  std::int64_t changed_ns = 0;   // inode change time, since the epoch
  uid_t owner = 0;
  gid_t group = 0;
  mode_t mode = 0;

  SystemTime modified() const {
    return SystemTime(
        std::chrono::duration_cast<SystemTime::duration>(std::chrono::nanoseconds(modified_ns)));
  }
  bool same_file(const FileStat& other) const {
    return device == other.device && inode == other.inode;
  }
  bool operator==(const FileStat&) const = default;
};

// Of the path, links followed; empty if there is nothing.
std::optional<FileStat> stat_path(const fs::path& path);

// An open file. Errors are Errc::io (Errc::not_found, Errc::no_space) with the path and the
// system's words. Reading and writing at offsets is safe from many threads.
class File : public ByteSource {
 public:
  static File open_read(const fs::path& path);
  static File open_write(const fs::path& path);
  // Fails if `path` exists. Mode 0600.
  static File create(const fs::path& path);
  // Without a name, in the filesystem of `folder`; gone when closed.
  static File create_anonymous(const fs::path& folder);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File() override;

  const fs::path& path() const { return path_; }
  int descriptor() const { return descriptor_; }
  std::string name() const override { return path_.string(); }

  FileStat stat() const;
  std::uint64_t size() const override { return stat().bytes; }
  std::size_t read_at(std::uint64_t offset, MutableBytes to) const override;
  void write_at(std::uint64_t offset, ByteView bytes) const;
  void truncate(std::uint64_t bytes) const;
  // Gives it the permissions of another file and, as far as this user may, its owner and group.
  // Where not its group, the group gets no permission.
  void take_access_of(const FileStat& other) const;
  // Makes this file's content that of `source` by sharing its blocks (FICLONE). False where the
  // filesystem or the pair of files does not allow it.
  [[nodiscard]] bool clone_from(const File& source) const;
  // Copies the whole of `source` (shared blocks where possible, holes kept).
  void copy_from(const File& source) const;
  // Makes a range read as zeros, giving its space back where the filesystem can.
  void punch_hole(std::uint64_t offset, std::uint64_t bytes) const;
  // Asks the kernel to begin writing a range out, without waiting.
  void start_writeback(std::uint64_t offset, std::uint64_t bytes) const;
  // Durable on return.
  void sync() const;

 private:
  File(fs::path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  fs::path path_;
  int descriptor_ = -1;
};

// Makes names created, renamed or removed in `folder` durable.
void sync_folder(const fs::path& folder);
// Makes one folder, mode 0700; false if it exists.
bool make_folder(const fs::path& folder);
// Folders made for something that may fail yet: those that are empty when the object goes, go too.
class MadeFolders {
 public:
  MadeFolders() = default;
  MadeFolders(MadeFolders&&) = default;
  MadeFolders& operator=(MadeFolders&&) = delete;
  ~MadeFolders();
  // Makes `folder` and what is missing above it. Mode 0700. One that exists is success, and stays.
  void make(const fs::path& folder);

 private:
  std::vector<fs::path> made_;  // outermost first
};
// rename(2); replaces `to`.
void rename_file(const fs::path& from, const fs::path& to);
// The same for a file or folder, but false if `to` exists.
[[nodiscard]] bool rename_new(const fs::path& from, const fs::path& to);
// Removing what is not there is success.
void remove_file(const fs::path& path);
std::uint64_t free_space(const fs::path& folder);
// The bytes in `folder`'s filesystem are in memory only (tmpfs, ramfs).
bool is_memory_filesystem(const fs::path& folder);
// The filesystem is one that other machines can write too (NFS, SMB, FUSE, …).
bool is_network_filesystem(const fs::path& path);
// The part of `path` that is there and no folder although more follows it; empty if there is none.
std::optional<fs::path> find_file_as_folder(const fs::path& path);
// The absolute path with every link followed. Errc::not_found if there is nothing.
fs::path resolve_path(const fs::path& path);
// $TMPDIR if it is a folder, else /tmp.
fs::path temporary_folder();
// The folder a path is in: "." for a bare name.
fs::path folder_of(const fs::path& path);
// Whole small file; Errc::refused beyond `most` bytes.
std::string read_text(const fs::path& path, std::size_t most);

// What the system says went wrong, as Errc::not_found, Errc::no_space or Errc::io.
[[noreturn]] void throw_errno(int error, const std::string& what_failed);

}  // namespace duckback
