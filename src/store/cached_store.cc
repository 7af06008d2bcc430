#include "store/cached_store.h"

#include <sys/stat.h>

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

void remove_unused(const fs::path& folder, fs::file_time_type before) {
  std::error_code failed;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    std::error_code gone;  // Another process does the same.
    fs::file_time_type used = at->last_write_time(gone);
    if (!gone && at->is_regular_file(gone) && used < before) fs::remove(at->path(), gone);
  }
}

Bytes part_of(std::string_view key, const Bytes& object, Range range) {
  std::uint64_t count = bytes_in_range(key, object.size(), range);
  ByteView part = ByteView(object).subspan(range.offset, count);
  return {part.begin(), part.end()};
}

}  // namespace

CachedStore::CachedStore(std::shared_ptr<Store> store, fs::path folder)
    : store_(std::move(store)), folder_(std::move(folder)) {
  remove_unused(folder_, fs::file_time_type::clock::now() - kKept);
}

Bytes CachedStore::get(std::string_view key, Range range) {
  check_key(key);
  if (!range.lasting) return store_->get(key, range);
  if (std::optional<Bytes> bytes = kept(key, range)) return std::move(*bytes);
  std::lock_guard lock(fetching_);
  if (std::optional<Bytes> bytes = kept(key, range)) return std::move(*bytes);
  {
    std::lock_guard guard(mutex_);
    if (!writable_) return store_->get(key, range);
  }
  Bytes object = store_->get(key);
  keep(key, object);
  return part_of(key, object, range);
}

std::optional<Bytes> CachedStore::kept(std::string_view key, Range range) {
  try {
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
  if (!is_named_by(key, object)) return;
  fs::path path = folder_ / key;
  try {
    MadeFolders folders;
    folders.make(path.parent_path());
    TempFile file = TempFile::beside(path);
    file.file().write_at(0, object);
    file.rename_to(path);
    std::lock_guard lock(mutex_);
    proven_.insert(std::string(key));
  } catch (const Error&) {
    std::lock_guard lock(mutex_);
    writable_ = false;
  }
}

}  // namespace duckback
