#pragma once

#include <algorithm>
#include <vector>

#include "base/hash.h"
#include "ops/sidecar.h"
#include "test/support/duckfile_builder.h"
#include "test/support/test_folder.h"

namespace duckback::test {

// A folder of copies as `duckback copy` leaves them, with databases that hold no tables.
class CopyFolder : public TestFolder {
 public:
  struct Options {
    std::string database = "/data/app.duckdb";
    bool with_wal = false;
    std::uint64_t damaged_blocks = 0;
    TinyDatabase content{};
  };

  // A copy that was finished at `time`.
  fs::path add(const std::string& name, const std::string& time, const Options& options) const {
    Bytes file = options.content.build();
    Sidecar sidecar;
    sidecar.host = "host";
    sidecar.database = options.database;
    sidecar.time = parse_utc(time);
    sidecar.file = name;
    sidecar.bytes = file.size();
    sidecar.blake3 = hex_of(file);
    sidecar.method = "cp";
    sidecar.certification = "certified";
    sidecar.storage_version = 64;
    sidecar.needs = "DuckDB 1.0";
    sidecar.damaged_blocks = options.damaged_blocks;
    if (options.with_wal) {
      Bytes wal = WalBuilder().commit().bytes();
      sidecar.wal = Sidecar::Wal{name + ".wal", wal.size(), hex_of(wal)};
      put(name + ".wal", wal);
    }
    fs::path path = put(name, file);
    save_sidecar(path, sidecar);
    return path;
  }
  fs::path add(const std::string& name, const std::string& time) const {
    return add(name, time, Options{});
  }

  // The names in the folder, sidecars as "NAME+".
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path())) {
      std::string name = entry.path().filename();
      std::size_t suffix = name.rfind(".duckback.json");
      if (suffix != std::string::npos) name = name.substr(0, suffix) + "+";
      names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  // Changes one byte of a file.
  void flip(const std::string& name, std::uint64_t offset) const {
    File file = File::open_write(path() / name);
    std::uint8_t byte = 0;
    file.read_at(offset, {&byte, 1});
    byte ^= 1;
    file.write_at(offset, {&byte, 1});
  }

 private:
  static std::string hex_of(ByteView bytes) {
    Blake3 hash;
    hash.update(bytes);
    return to_hex(hash.digest());
  }
};

}  // namespace duckback::test
