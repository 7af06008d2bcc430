#include "io/temp_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"

namespace duckback {
namespace {

constexpr std::string_view kMark = ".duckback-";
constexpr std::size_t kSuffixLength = 6;
// A name has at most 255 bytes; WAL and sidecar names of a temporary file need some of them.
constexpr std::size_t kStemMost = 200;

fs::path name_beside(const fs::path& destination, std::string_view suffix) {
  std::string name = "." + destination.filename().string().substr(0, kStemMost);
  name += kMark;
  name += suffix;
  return folder_of(destination) / name;
}

fs::path random_name(const fs::path& destination) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::string suffix;
  for (std::size_t i = 0; i < kSuffixLength; ++i)
    suffix += letters[random() % (sizeof letters - 1)];
  return name_beside(destination, suffix);
}

bool is_temporary(std::string_view name) {
  return name.size() > 1 + kMark.size() + kSuffixLength && name.front() == '.' &&
         name.substr(name.size() - kSuffixLength - kMark.size(), kMark.size()) == kMark;
}

// Where the filesystem has no locks, leftovers stay.
void hold(const File& file) { ::flock(file.descriptor(), LOCK_SH | LOCK_NB); }

// Whether a cleaner took the name for a leftover before it was held.
bool lost(const File& file) {
  std::optional<FileStat> named = stat_path(file.path());
  return !named || !named->same_file(file.stat());
}

}  // namespace

TempFile TempFile::beside(const fs::path& destination) {
  for (;;) {
    fs::path path = random_name(destination);
    if (stat_path(path)) continue;
    File file = File::create(path);
    hold(file);
    if (!lost(file)) return TempFile(std::move(path), std::move(file));
  }
}

TempFile TempFile::adopt(const fs::path& made, const fs::path& destination) {
  fs::permissions(made, fs::perms::owner_read | fs::perms::owner_write);
  TempFile temp = beside(destination);
  rename_file(made, temp.path_);
  temp.file_ = File::open_write(temp.path_);
  hold(temp.file_);
  return temp;
}

TempFile& TempFile::operator=(TempFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  return *this;
}

TempFile::~TempFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

void TempFile::rename_to(const fs::path& destination) {
  rename_file(path_, destination);
  path_.clear();
}

bool TempFile::rename_to_new(const fs::path& destination) {
  if (!rename_new(path_, destination)) return false;
  path_.clear();
  return true;
}

TempFolder TempFolder::beside(const fs::path& destination) {
  for (;;) {
    fs::path path = random_name(destination);
    if (::mkdir(path.c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      throw_errno(errno, fmt::format("create folder {}", path.string()));
    }
    File lock = File::open_read(path);
    hold(lock);
    if (!lost(lock)) return TempFolder(std::move(path), std::move(lock));
  }
}

TempFolder::~TempFolder() {
  if (path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Claim::Claim(const fs::path& destination) : path_(name_beside(destination, "active")) {
  using namespace std::chrono_literals;
  // Who looks for leftovers holds it for a moment, and may take it away.
  constexpr int kTries = 25;
  for (int i = 0; i < kTries; ++i) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor_ < 0) throw_errno(errno, fmt::format("create {}", path_.string()));
    bool held = ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    struct stat opened {};
    std::optional<FileStat> named = stat_path(path_);
    bool ours = held && named && ::fstat(descriptor_, &opened) == 0 &&
                named->inode == opened.st_ino && named->device == opened.st_dev;
    if (ours) return;
    ::close(descriptor_);
    if (!held) std::this_thread::sleep_for(10ms);
  }
  throw Error(Errc::conflict, "another duckback is making {} just now; wait until it has ended",
              destination.string());
}

Claim::~Claim() {
  ::unlink(path_.c_str());
  ::close(descriptor_);
}

std::size_t remove_leftovers(const fs::path& destination, SystemTime before) {
  std::vector<fs::path> candidates;
  std::error_code unreadable;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(folder_of(destination), unreadable)) {
    if (is_temporary(entry.path().filename().string())) candidates.push_back(entry.path());
  }
  std::size_t removed = 0;
  for (const fs::path& path : candidates) {
    int descriptor = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) continue;  // Another user's, or just gone.
    struct stat raw;
    bool old = ::fstat(descriptor, &raw) == 0 &&
               SystemTime::clock::from_time_t(raw.st_mtim.tv_sec) < before;
    if (old && ::flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
      std::error_code failed;
      if (fs::remove_all(path, failed) > 0 && !failed) ++removed;
    }
    ::close(descriptor);
  }
  return removed;
}

}  // namespace duckback
