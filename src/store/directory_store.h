#pragma once

#include <mutex>
#include <set>
#include <string>

#include "base/error.h"
#include "io/file.h"
#include "store/store.h"

namespace duckback {

// Objects as files below a folder, 0600 in folders 0700. A file appears by rename, complete and
// durable with its folder. The time of an object is its file's, by the filesystem's clock. Files
// whose names are no keys are no objects: what users put there, and what a killed process left
// under a temporary name, which remove_leftovers() removes.
//
// If the folder itself goes (an unmounted disk), every verb throws Errc::unavailable; it is not
// made again.
class DirectoryStore : public Store {
 public:
  // Throws Errc::not_found if there is no such folder.
  explicit DirectoryStore(const fs::path& folder);
  // Makes the folder too, and what is missing above it, durably. What else is in it is not looked
  // at; that it cannot be written the first put() says.
  static std::unique_ptr<DirectoryStore> make(const fs::path& folder);

  std::string name() const override { return folder_.string(); }
  void put(std::string_view key, ByteView bytes) override;
  void create(std::string_view key, ByteView bytes) override;
  Bytes get(std::string_view key, Range range = {}) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void remove(std::string_view key) override;

  // Temporary files. What a living process on this machine writes is left alone whatever its time;
  // so `before` must be long ago only where other machines write too.
  std::size_t remove_leftovers(SystemTime before) override;

 private:
  using Visit = std::function<void(const ObjectInfo&)>;
  void check_there() const;
  fs::path path_of(std::string_view key) const;
  // Throws in place of `error` where this user may not change what is in the folder of `path`.
  void explain_unwritable(const fs::path& path, const Error& error) const;
  void write(std::string_view key, ByteView bytes, bool replace);
  void write_file(std::string_view key, const fs::path& path, ByteView bytes, bool replace);
  void make_folders_of(std::string_view key);
  void list_below(const std::string& folder, std::string_view name_prefix, const Visit& visit);

  fs::path folder_;  // absolute
  std::mutex mutex_;
  std::set<std::string> durable_folders_;  // relative, as far as this store made sure of them
};

}  // namespace duckback
