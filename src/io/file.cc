#include "io/file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "base/error.h"

namespace duckback {
namespace {

std::int64_t to_ns(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

FileStat to_stat(const struct stat& raw) {
  return {.device = raw.st_dev,
          .inode = raw.st_ino,
          .links = raw.st_nlink,
          .bytes = static_cast<std::uint64_t>(raw.st_size),
          .modified_ns = to_ns(raw.st_mtim),
          .changed_ns = to_ns(raw.st_ctim),
          .owner = raw.st_uid,
          .group = raw.st_gid,
          .mode = raw.st_mode};
}

int open_or_throw(const fs::path& path, int flags, std::string_view activity) {
  int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (descriptor < 0) throw_errno(errno, fmt::format("{} {}", activity, path.string()));
  return descriptor;
}

}  // namespace

void throw_errno(int error, const std::string& what_failed) {
  Errc code = Errc::io;
  if (error == ENOENT || error == ENOTDIR) code = Errc::not_found;
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) code = Errc::no_space;
  throw Error(code, "cannot {}: {}", what_failed, std::generic_category().message(error));
}

std::optional<FileStat> stat_path(const fs::path& path) {
  struct stat raw;
  if (::stat(path.c_str(), &raw) == 0) return to_stat(raw);
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw_errno(errno, fmt::format("look at {}", path.string()));
}

File File::open_read(const fs::path& path) {
  return File(path, open_or_throw(path, O_RDONLY, "read"));
}

File File::open_write(const fs::path& path) {
  return File(path, open_or_throw(path, O_RDWR, "write"));
}

File File::create(const fs::path& path) {
  return File(path, open_or_throw(path, O_RDWR | O_CREAT | O_EXCL, "create"));
}

File File::create_anonymous(const fs::path& folder) {
  int descriptor = ::open(folder.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
  if (descriptor >= 0) return File(folder / "(unnamed)", descriptor);
  // Not every filesystem has O_TMPFILE.
  std::string name = (folder / ".duckback-XXXXXX").string();
  descriptor = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor < 0) throw_errno(errno, fmt::format("create a file in {}", folder.string()));
  ::unlink(name.c_str());
  return File(folder / "(unnamed)", descriptor);
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    path_ = std::move(other.path_);
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FileStat File::stat() const {
  struct stat raw;
  if (::fstat(descriptor_, &raw) != 0) throw_errno(errno, fmt::format("look at {}", name()));
  return to_stat(raw);
}

std::size_t File::read_at(std::uint64_t offset, MutableBytes to) const {
  std::size_t done = 0;
  while (done < to.size()) {
    ssize_t count =
        ::pread(descriptor_, to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno(errno, fmt::format("read {} at offset {}", name(), offset + done));
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

void File::write_at(std::uint64_t offset, ByteView bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    ssize_t count = ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done,
                             static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno(errno, fmt::format("write {}", name()));
    done += static_cast<std::size_t>(count);
  }
}

void File::truncate(std::uint64_t bytes) const {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) {
    throw_errno(errno, fmt::format("set the size of {}", name()));
  }
}

void File::take_access_of(const FileStat& other) const {
  bool same_group = ::fchown(descriptor_, other.owner, other.group) == 0 ||
                    ::fchown(descriptor_, static_cast<uid_t>(-1), other.group) == 0;
  mode_t mode = other.mode & (same_group ? 0777 : 0707);
  if (::fchmod(descriptor_, mode) != 0) {
    throw_errno(errno, fmt::format("change the permissions of {}", path_.string()));
  }
}

bool File::clone_from(const File& source) const {
  return ::ioctl(descriptor_, FICLONE, source.descriptor_) == 0;
}

void File::copy_from(const File& source) const {
  if (clone_from(source)) return;
  std::uint64_t size = source.stat().bytes;
  truncate(size);
  Bytes buffer(4 << 20);
  std::uint64_t offset = 0;
  while (offset < size) {
    off_t data = ::lseek(source.descriptor_, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data > static_cast<off_t>(offset)) offset = static_cast<std::uint64_t>(data);
    std::uint64_t end = size;
    off_t hole = ::lseek(source.descriptor_, static_cast<off_t>(offset), SEEK_HOLE);
    if (hole > static_cast<off_t>(offset)) end = static_cast<std::uint64_t>(hole);
    while (offset < end) {
      std::size_t want =
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - offset));
      std::size_t count = source.read_at(offset, MutableBytes(buffer).first(want));
      if (count == 0) return;
      write_at(offset, ByteView(buffer).first(count));
      offset += count;
    }
  }
}

void File::punch_hole(std::uint64_t offset, std::uint64_t bytes) const {
  int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (::fallocate(descriptor_, mode, static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0) {
    return;
  }
  if (errno != EOPNOTSUPP && errno != ENOSYS) {
    throw_errno(errno, fmt::format("make a hole in {}", name()));
  }
  static const Bytes zeros(1 << 20);
  std::uint64_t end = std::min(offset + bytes, size());
  for (; offset < end; offset += std::min<std::uint64_t>(zeros.size(), end - offset)) {
    write_at(offset, ByteView(zeros).first(std::min<std::uint64_t>(zeros.size(), end - offset)));
  }
}

void File::start_writeback(std::uint64_t offset, std::uint64_t bytes) const {
  // Only a hint: sync() reports what really fails.
  ::sync_file_range(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes),
                    SYNC_FILE_RANGE_WRITE);
}

void File::sync() const {
  if (::fsync(descriptor_) != 0) throw_errno(errno, fmt::format("make {} durable", name()));
}

void sync_folder(const fs::path& folder) {
  int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw_errno(errno, fmt::format("open folder {}", folder.string()));
  int failed = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  // EINVAL: a filesystem whose folders need no fsync.
  if (failed != 0 && failed != EINVAL) {
    throw_errno(failed, fmt::format("make folder {} durable", folder.string()));
  }
}

bool make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0700) == 0) return true;
  if (errno == EEXIST) return false;
  throw_errno(errno, fmt::format("create folder {}", folder.string()));
}

void MadeFolders::make(const fs::path& folder) {
  fs::path made;
  for (const fs::path& part : folder) {
    made /= part;
    if (!part.empty() && make_folder(made)) made_.push_back(made);
  }
}

MadeFolders::~MadeFolders() {
  // Fails for those that something is in.
  for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) ::rmdir(folder->c_str());
}

void rename_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    throw_errno(errno, fmt::format("rename {} to {}", from.string(), to.string()));
  }
}

bool rename_new(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  int failed = errno;
  // Some filesystems know no RENAME_NOREPLACE, but links.
  if (failed == EINVAL) {
    if (::link(from.c_str(), to.c_str()) == 0) {
      remove_file(from);
      return true;
    }
    failed = errno;
  }
  if (failed == EEXIST) return false;
  throw_errno(failed, fmt::format("rename {} to {}", from.string(), to.string()));
}

void remove_file(const fs::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    throw_errno(errno, fmt::format("remove {}", path.string()));
  }
}

std::uint64_t free_space(const fs::path& folder) {
  struct statvfs raw;
  if (::statvfs(folder.c_str(), &raw) != 0) {
    throw_errno(errno, fmt::format("look at the space in {}", folder.string()));
  }
  return static_cast<std::uint64_t>(raw.f_bavail) * raw.f_frsize;
}

namespace {
unsigned long filesystem_magic(const fs::path& path) {
  struct statfs raw;
  if (::statfs(path.c_str(), &raw) != 0) {
    throw_errno(errno, fmt::format("look at the filesystem of {}", path.string()));
  }
  return static_cast<unsigned long>(raw.f_type) & 0xffffffffUL;
}
}  // namespace

bool is_memory_filesystem(const fs::path& folder) {
  unsigned long magic = filesystem_magic(folder);
  return magic == TMPFS_MAGIC || magic == RAMFS_MAGIC;
}

bool is_network_filesystem(const fs::path& path) {
  // statfs(2); those that linux/magic.h lacks: CIFS, SMB2, FUSE, Ceph, GFS2, OCFS2, Lustre, 9p.
  static constexpr std::array<unsigned long, 12> remote = {
      NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, 0xff534d42UL,    0xfe534d42UL,
      0x65735546UL,    0x00c36400UL,    0x01161970UL,    0x7461636fUL,
      0x0bd00bd0UL,    0x01021997UL,    AFS_SUPER_MAGIC, CODA_SUPER_MAGIC};
  unsigned long magic = filesystem_magic(path);
  for (unsigned long one : remote) {
    if (magic == one) return true;
  }
  return false;
}

std::optional<fs::path> find_file_as_folder(const fs::path& path) {
  fs::path begin;
  for (auto part = path.begin(); part != path.end(); ++part) {
    begin /= *part;
    std::optional<FileStat> there = stat_path(begin);
    if (!there) return std::nullopt;
    if (!S_ISDIR(there->mode)) {
      return std::next(part) == path.end() ? std::nullopt : std::optional(begin);
    }
  }
  return std::nullopt;
}

fs::path resolve_path(const fs::path& path) {
  std::error_code failed;
  fs::path resolved = fs::canonical(path, failed);
  if (failed) throw_errno(failed.value(), fmt::format("find {}", path.string()));
  return resolved;
}

fs::path temporary_folder() {
  std::error_code none;
  fs::path folder = fs::temp_directory_path(none);
  return none ? fs::path("/tmp") : folder;
}

fs::path folder_of(const fs::path& path) {
  fs::path folder = path.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

std::string read_text(const fs::path& path, std::size_t most) {
  File file = File::open_read(path);
  std::uint64_t bytes = file.stat().bytes;
  if (bytes > most) {
    throw Error(Errc::refused, "{} is larger than {} bytes", path.string(), most);
  }
  // Files of the kernel have no size and some text.
  std::string text(std::min<std::uint64_t>(most, std::max<std::uint64_t>(bytes, 4096)), '\0');
  text.resize(file.read_at(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
  return text;
}

}  // namespace duckback
