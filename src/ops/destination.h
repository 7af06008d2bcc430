#pragma once

#include "base/text.h"
#include "capture/capture.h"

namespace duckback {

// Where a copy goes. docs/guide.md tells users the same.
class Destination {
 public:
  struct Rule {
    bool timestamp = false;             // put the time into the name of a file, too
    std::string extension = ".duckdb";  // of a name that we choose; "" for a folder of exports
    SystemTime now = std::chrono::system_clock::now();
  };
  // `given` is a file; or a folder, there or (with a slash at its end) to be made, and then the
  // name is `backup-YYYYMMDD-HHMMSS.duckdb`. Links are followed. A folder that was made for a copy
  // that then did not come goes with the object. Throws Errc::refused for what
  // cannot be replaced by a copy, Errc::not_found for a file in a folder that is not there.
  Destination(const std::string& given, const Rule& rule);

  const fs::path& path() const { return path_; }
  // We chose the name, so that it must be new.
  bool chosen() const { return chosen_; }
  // The next name for a copy of the same second.
  void advance();

 private:
  MadeFolders made_;
  fs::path folder_;
  std::string stem_;
  std::string extension_;
  bool chosen_ = false;
  unsigned attempt_ = 1;
  fs::path path_;
};

// Throws Errc::refused where a copy to `destination` would touch the database at `source` (itself,
// a link to it, its WAL files), and Errc::conflict where a process has `destination` open.
void check_apart(const fs::path& source, const fs::path& resolved_source,
                 const fs::path& destination);

// Throws Errc::refused if `destination` is a file that is no copy, or none any more, or is missing
// beside a WAL of its own; Errc::conflict if somebody may write it.
void check_replaceable(const fs::path& destination);

}  // namespace duckback
