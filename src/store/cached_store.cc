#include "store/cached_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "io/temp_file.h"

namespace duckback {
namespace {

// Whether the name of the object is that of these bytes.
bool is_named_by(std::string_view key, ByteView object) {
  Blake3 hash;
  hash.update(object);
  return key.substr(key.rfind('/') + 1) == to_hex(hash.digest());
}

// Removes what was last used before `before`, and then what was not used for longest, until no more
// than `bytes_most` are left. Returns how many are.
std::uint64_t trim(const fs::path& folder, fs::file_time_type before, std::uint64_t bytes_most) {
  struct Kept {
    fs::file_time_type used;
    std::uint64_t bytes;
    fs::path path;
  };
  std::vector<Kept> all;
  std::uint64_t total = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    std::error_code gone;  // Another process does the same.
    if (!at->is_regular_file(gone)) continue;
    Kept kept{at->last_write_time(gone), at->file_size(gone), at->path()};
    if (gone) continue;
    total += kept.bytes;
    all.push_back(std::move(kept));
  }
  std::ranges::sort(all, {}, &Kept::used);
  for (const Kept& each : all) {
    if (each.used >= before && total <= bytes_most) break;
    std::error_code gone;
    fs::remove(each.path, gone);
    total -= each.bytes;
  }
  return total;
}

Bytes part_of(std::string_view key, const Bytes& object, Range range) {
  std::uint64_t count = bytes_in_range(key, object.size(), range);
  ByteView part = ByteView(object).subspan(range.offset, count);
  return {part.begin(), part.end()};
}

}  // namespace

CachedStore::CachedStore(std::shared_ptr<Store> store, fs::path folder, std::uint64_t bytes_most)
    : WrappedStore(std::move(store)), folder_(std::move(folder)), bytes_most_(bytes_most) {
  bytes_ = trim(folder_, fs::file_time_type::clock::now() - kKept, bytes_most_);
}

Bytes CachedStore::get(std::string_view key, Range range) {
  check_key(key);
  if (!range.lasting) return store_->get(key, range);
  if (std::optional<Bytes> bytes = kept(key, range)) return std::move(*bytes);
  if (may_keep(key)) {
    std::lock_guard lock(fetching_);
    if (std::optional<Bytes> bytes = kept(key, range)) return std::move(*bytes);
    if (may_keep(key)) {
      Bytes object = store_->get(key);
      keep(key, object);
      return part_of(key, object, range);
    }
  }
  return store_->get(key, range);
}

bool CachedStore::may_keep(std::string_view key) {
  std::lock_guard lock(mutex_);
  return writable_ && !not_kept_.contains(std::string(key));
}

std::optional<Bytes> CachedStore::kept(std::string_view key, Range range) {
  try {
    std::optional<FileStat> stat = stat_path(folder_ / key);
    if (!stat || !S_ISREG(stat->mode)) return std::nullopt;  // Opening a pipe waits for a writer.
    File file = File::open_read(folder_ / key);
    if (!is_proven(std::string(key), file)) return std::nullopt;
    Bytes bytes(bytes_in_range(key, file.size(), range));
    if (file.read_at(range.offset, bytes) != bytes.size()) return std::nullopt;
    return bytes;
  } catch (const Error&) {
    return std::nullopt;  // What cannot be read here is asked of the store, errors and all.
  }
}

bool CachedStore::is_proven(const std::string& key, const File& file) {
  {
    std::lock_guard lock(mutex_);
    if (proven_.contains(key)) return true;
  }
  Bytes object(file.size());
  if (file.read_at(0, object) != object.size() || !is_named_by(key, object)) return false;
  ::futimens(file.descriptor(), nullptr);  // It is in use.
  std::lock_guard lock(mutex_);
  proven_.insert(key);
  return true;
}

void CachedStore::keep(std::string_view key, const Bytes& object) {
  if (object.size() > bytes_most_ || !is_named_by(key, object)) {
    std::lock_guard lock(mutex_);
    not_kept_.insert(std::string(key));
    return;
  }
  try {
    write(key, object);
    std::lock_guard lock(mutex_);
    proven_.insert(std::string(key));
    bytes_ += object.size();
    // To the half of it, so that not every one that follows looks through the folder.
    if (bytes_ > bytes_most_) bytes_ = trim(folder_, fs::file_time_type::min(), bytes_most_ / 2);
  } catch (const Error&) {
    std::lock_guard lock(mutex_);
    writable_ = false;
  }
}

void CachedStore::write(std::string_view key, const Bytes& object) {
  fs::path path = folder_ / key;
  MadeFolders folders;
  folders.make(path.parent_path());
  TempFile file = TempFile::beside(path);
  file.file().write_at(0, object);
  file.rename_to(path);
}

}  // namespace duckback
