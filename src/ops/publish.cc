#include "ops/publish.h"

#include <algorithm>

#include "base/error.h"
#include "io/temp_file.h"
#include "ops/sidecar.h"

namespace duckback {
namespace {

fs::path with_suffix(const fs::path& path, std::string_view suffix) {
  fs::path result = path;
  result += suffix;
  return result;
}

std::vector<fs::path> wal_names(const fs::path& path) {
  return {with_suffix(path, ".wal"), with_suffix(path, ".wal.checkpoint"),
          with_suffix(path, ".wal.recovery")};
}

class WithheldHeader {
 public:
  WithheldHeader(const File& file, std::string_view unfinished) : file_(file) {
    file_.read_at(0, header_);
    file_.write_at(0, unfinished_header(unfinished));
    file_.sync();
  }
  void restore() const {
    file_.write_at(0, header_);
    file_.sync();
  }

 private:
  const File& file_;
  Slot header_{};
};

// What has the destination's names, kept in a folder beside it until the new copy has them all; put
// back if that fails. The database keeps its name meanwhile (it is linked, not moved): it is
// replaced in one step.
class OldCopy {
 public:
  explicit OldCopy(const fs::path& destination)
      : destination_(destination), folder_(TempFolder::beside(destination)) {
    std::error_code failed;
    fs::create_hard_link(destination_, kept(destination_), failed);
    linked_ = !failed;
  }
  ~OldCopy() {
    if (done_) return;
    // The database last: until then the destination has no header, and no WAL is taken for its own.
    std::error_code ignored;
    for (const fs::path& wal : wal_names(destination_)) {
      if (linked_ && !moved(wal)) fs::remove(wal, ignored);
    }
    for (const fs::path& name : moved_) fs::rename(kept(name), name, ignored);
    if (linked_) fs::rename(kept(destination_), destination_, ignored);
  }
  OldCopy(const OldCopy&) = delete;

  void move_away(const fs::path& name) {
    if (!fs::exists(fs::symlink_status(name))) return;
    rename_file(name, kept(name));
    moved_.push_back(name);
  }
  void give_up() { done_ = true; }

 private:
  // A WAL that has no database is kept under a name at which DuckDB does not look for one.
  fs::path kept(const fs::path& name) const {
    return folder_.path() /
           (name.filename().string() + (linked_ || name == destination_ ? "" : ".old"));
  }
  bool moved(const fs::path& name) const {
    return std::find(moved_.begin(), moved_.end(), name) != moved_.end();
  }
  fs::path destination_;
  TempFolder folder_;
  bool linked_ = false;
  bool done_ = false;
  std::vector<fs::path> moved_;
};

[[nodiscard]] bool take_name(TempFile& file, const fs::path& destination, bool replace) {
  if (!replace) return file.rename_to_new(destination);
  file.rename_to(destination);
  return true;
}

}  // namespace

std::vector<fs::path> names_of_copy(const fs::path& path) {
  std::vector<fs::path> names = wal_names(path);
  names.push_back(path);
  names.push_back(sidecar_path(path));
  return names;
}

bool publish(FileSink::Staged& copy, const fs::path& destination, bool replace,
             std::string_view unfinished) {
  if (!replace && stat_path(destination)) return false;
  fs::path folder = folder_of(destination);

  bool old_wal = false;
  for (const fs::path& wal : wal_names(destination)) old_wal = old_wal || stat_path(wal);
  if (!copy.wal && !old_wal) {
    remove_file(sidecar_path(destination));
    if (!take_name(copy.database.temp, destination, replace)) return false;
    sync_folder(folder);
    return true;
  }

  OldCopy old(destination);
  old.move_away(sidecar_path(destination));
  WithheldHeader header(copy.database.temp.file(), unfinished);
  if (!take_name(copy.database.temp, destination, replace)) {
    header.restore();
    return false;
  }
  sync_folder(folder);
  for (const fs::path& wal : wal_names(destination)) old.move_away(wal);
  if (copy.wal) copy.wal->temp.rename_to(wal_names(destination).front());
  sync_folder(folder);
  header.restore();
  old.give_up();
  return true;
}

}  // namespace duckback
