#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "io/file.h"

namespace duckback {

// What is known about a copy, in a JSON file beside it: `NAME.duckdb.duckback.json`.
// docs/json.md lists its members; they are only ever added.
struct Sidecar {
  struct Wal {
    std::string file;
    std::uint64_t bytes = 0;
    std::string blake3;
    std::string etag{};
  };
  struct Table {
    std::string schema;
    std::string table;
    std::uint64_t rows = 0;
  };
  struct Verified {
    SystemTime time;
    std::string level;  // "hash", "blocks", "open", "full"
  };
  struct Failed {
    SystemTime time;
    std::string finding;  // the first one
  };

  std::string duckback = DUCKBACK_VERSION;
  std::string host;
  std::string database;  // the source, links resolved
  std::optional<std::string> name;
  SystemTime time;  // when the capture was finished
  std::string file;
  std::uint64_t bytes = 0;
  std::string blake3;  // empty for a folder (method export)
  std::string etag;    // in a bucket: what tells the object from another one of its name; else ""
  std::optional<Wal> wal;
  std::string method;         // "cp", "attach", "export"
  std::string certification;  // "certified", "quiet", "cold"
  std::uint64_t storage_version = 0;
  std::string needs;  // "DuckDB 1.2"
  bool encrypted = false;
  std::uint64_t source_bytes = 0;
  std::uint64_t source_wal_bytes = 0;
  std::uint64_t blocks = 0;
  std::uint64_t free_blocks = 0;
  bool settled = false;
  std::optional<std::string> library_version;
  std::optional<std::vector<Table>> tables;
  std::uint64_t damaged_blocks = 0;
  std::optional<Verified> verified;
  std::optional<Failed> failed;  // the last verification found it damaged

  // Whose copy this is: copies with equal identities are generations of one database.
  std::string identity() const { return host + '\n' + (name ? *name : database); }
};

extern const std::string_view kSidecarSuffix;
fs::path sidecar_path(const fs::path& copy);
// JSON. parse_sidecar() throws Errc::corrupt, with `where` in the message.
std::string sidecar_text(const Sidecar& sidecar);
Sidecar parse_sidecar(std::string_view text, const std::string& where);
// Of the copy at `copy`. Throws Errc::not_found, or Errc::corrupt naming the file where it is no
// sidecar.
Sidecar load_sidecar(const fs::path& copy);
// Durable on return; replaces the former one in one step. Mode 0600.
void save_sidecar(const fs::path& copy, const Sidecar& sidecar);

}  // namespace duckback
