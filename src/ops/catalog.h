#pragma once

#include <string>
#include <vector>

#include "io/file.h"
#include "ops/sidecar.h"

namespace duckback {

// A copy in a folder: what its sidecar says, and whether the files still are what it says.
struct CatalogCopy {
  enum class State {
    present,
    changed,  // the files are not those the sidecar describes: not duckback's to remove any more
    missing,  // the sidecar is all that is left
    half_removed,  // forget was killed while it removed this copy
  };
  Sidecar sidecar;
  fs::path path;     // the database, or the folder of an export; in a bucket its address
  std::string name;  // the last part of it
  State state = State::present;
  std::string problem;      // "" or what is wrong, in a sentence
  std::uint64_t bytes = 0;  // on disk, database and WAL
  FileStat file;            // of `path`, as seen; on this machine
  std::string etag;         // the same in a bucket

  // Nothing speaks against restoring from it.
  bool good() const;
};

// A database in the folder that has no sidecar.
struct ForeignDatabase {
  fs::path path;
  std::uint64_t bytes = 0;
};

struct CatalogProblem {
  fs::path path;
  std::string message;
};

struct Catalog {
  std::vector<CatalogCopy> copies;  // by identity, then oldest to newest
  std::vector<ForeignDatabase> foreign;
  std::vector<CatalogProblem> problems;  // sidecars that cannot be read
};

// Looks at one folder, not at those below. Throws Errc::not_found or Errc::refused if it is none.
Catalog read_catalog(const fs::path& folder);
// Puts copies into their order.
void sort_catalog(Catalog& catalog);
// The copy at `path` as it is on disk now. Throws as load_sidecar() does.
CatalogCopy look_at_copy(const fs::path& path);
// What shows that a copy is not what its record says any more: `problem`, or other bytes, which are
// read where the file is younger than the record. Empty where nothing does.
std::string find_change(const CatalogCopy& copy);

// Whether a path is that of a sidecar, by its name.
bool is_sidecar_name(const fs::path& path);
// The path of the copy that a sidecar is about, by the sidecar's name.
fs::path copy_of_sidecar(const fs::path& sidecar);

// What forget puts in the place of a copy of two files, before it removes them: no DuckDB opens it.
extern const std::string_view kRemovalStub;

}  // namespace duckback
