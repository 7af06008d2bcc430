#include "store/directory_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "io/temp_file.h"
#include "io/uncached_writer.h"

namespace duckback {
namespace {

bool is_folder(const fs::path& path) {
  std::optional<FileStat> found = stat_path(path);
  return found && S_ISDIR(found->mode);
}

std::optional<FileStat> stat_object(const fs::path& path) {
  std::optional<FileStat> found = stat_path(path);
  if (found && !S_ISREG(found->mode)) return std::nullopt;
  return found;
}

// The names in `folder` that can be in a key, in the order of the keys: a folder's end in '/'.
// Empty if there is no such folder.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::string name = at->path().filename().string();
    if (!is_key(name)) continue;
    std::error_code gone;  // What cannot be looked at stays, for the caller to meet it.
    if (at->is_directory(gone)) name += '/';
    names.push_back(std::move(name));
  }
  if (failed == std::errc::no_such_file_or_directory || failed == std::errc::not_a_directory) {
    return {};
  }
  if (failed) throw_errno(failed.value(), fmt::format("list folder {}", folder.string()));
  std::ranges::sort(names);
  // A name that is replaced meanwhile may be seen twice.
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

DirectoryStore::DirectoryStore(const fs::path& folder) : folder_(fs::absolute(folder)) {
  if (!is_folder(folder_)) throw Error(Errc::not_found, "there is no folder {}", folder_.string());
}

std::unique_ptr<DirectoryStore> DirectoryStore::make(const fs::path& folder) {
  std::vector<fs::path> missing;
  for (fs::path at = fs::absolute(folder); !stat_path(at); at = at.parent_path()) {
    missing.push_back(at);
  }
  for (auto made = missing.rbegin(); made != missing.rend(); ++made) make_folder(*made);
  for (const fs::path& made : missing) sync_folder(folder_of(made));
  return std::make_unique<DirectoryStore>(folder);
}

void DirectoryStore::check_there() const {
  if (!is_folder(folder_)) {
    throw Error(Errc::unavailable, "the folder {} is gone: is its disk still mounted?",
                folder_.string());
  }
}

fs::path DirectoryStore::path_of(std::string_view key) const {
  check_key(key);
  return folder_ / key;
}

void DirectoryStore::make_folders_of(std::string_view key) {
  for (std::size_t end = key.find('/'); end != key.npos; end = key.find('/', end + 1)) {
    std::string name(key.substr(0, end));
    bool made = make_folder(folder_ / name);
    if (!made) {
      std::lock_guard lock(mutex_);
      if (durable_folders_.contains(name)) continue;
    }
    // Also one that was there: who made it may not have come to this.
    sync_folder((folder_ / name).parent_path());
    std::lock_guard lock(mutex_);
    durable_folders_.insert(std::move(name));
  }
}

void DirectoryStore::explain_unwritable(const fs::path& path, const Error& error) const {
  if (error.code() != Errc::io) return;
  fs::path folder = path.parent_path();
  while (folder != folder_ && !stat_path(folder)) folder = folder.parent_path();
  if (::access(folder.c_str(), W_OK | X_OK) == 0) return;
  bool read_only = errno == EROFS;
  throw Error(Errc::io, "the repository at {} can be read only: {} {} ({})", folder_.string(),
              folder.string(),
              read_only ? "is on a filesystem that is mounted read-only; mount it for writing"
                        : "is not writable for this user; run duckback as its owner, or let this "
                          "user write there",
              error.what());
}

void DirectoryStore::write(std::string_view key, ByteView bytes, bool replace) {
  fs::path path = path_of(key);
  check_there();
  try {
    write_file(key, path, bytes, replace);
  } catch (const Error& error) {
    explain_unwritable(path, error);
    throw;
  }
}

void DirectoryStore::write_file(std::string_view key, const fs::path& path, ByteView bytes,
                                bool replace) {
  make_folders_of(key);
  TempFile file = TempFile::beside(path);
  UncachedWriter(file.file()).write_at(0, bytes);
  file.file().sync();
  if (replace) {
    file.rename_to(path);
  } else if (!file.rename_to_new(path)) {
    throw Error(Errc::conflict, "{} exists", path.string());
  }
  sync_folder(path.parent_path());
}

void DirectoryStore::put(std::string_view key, ByteView bytes) { write(key, bytes, true); }

void DirectoryStore::create(std::string_view key, ByteView bytes) { write(key, bytes, false); }

Bytes DirectoryStore::get(std::string_view key, Range range) {
  fs::path path = path_of(key);
  if (!stat_object(path)) {
    check_there();
    throw Error(Errc::not_found, "there is no {}", path.string());
  }
  File file = File::open_read(path);
  Bytes bytes(bytes_in_range(path.string(), file.size(), range));
  if (file.read_at(range.offset, bytes) != bytes.size()) {
    throw Error(Errc::damaged, "{} became shorter while it was read", path.string());
  }
  return bytes;
}

void DirectoryStore::list(std::string_view prefix, const Visit& visit) {
  check_prefix(prefix);
  std::size_t slash = prefix.rfind('/');
  std::string folder(slash == prefix.npos ? "" : prefix.substr(0, slash + 1));
  list_below(folder, prefix.substr(folder.size()), visit);
  // What vanished with the whole folder must not pass for removed.
  check_there();
}

void DirectoryStore::list_below(const std::string& folder, std::string_view name_prefix,
                                const Visit& visit) {
  for (const std::string& name : names_in(folder_ / folder)) {
    if (!name.starts_with(name_prefix)) continue;
    std::string key = folder + name;
    if (name.back() == '/') {
      list_below(key, "", visit);
    } else if (std::optional<FileStat> found = stat_object(folder_ / key)) {
      visit({.key = key, .bytes = found->bytes, .modified = found->modified()});
    }
  }
}

void DirectoryStore::remove(std::string_view key) {
  fs::path path = path_of(key);
  check_there();
  try {
    if (stat_object(path)) remove_file(path);
  } catch (const Error& error) {
    explain_unwritable(path, error);
    throw;
  }
}

std::size_t DirectoryStore::remove_leftovers(SystemTime before) {
  check_there();
  std::size_t removed = 0;
  std::vector<std::string> folders = {""};
  while (!folders.empty()) {
    std::string folder = std::move(folders.back());
    folders.pop_back();
    removed += duckback::remove_leftovers(folder_ / folder / "any", before);
    for (const std::string& name : names_in(folder_ / folder)) {
      if (name.back() == '/') folders.push_back(folder + name);
    }
  }
  return removed;
}

}  // namespace duckback
