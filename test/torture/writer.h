#pragma once

#include <cstdint>
#include <string>

#include "library.h"
#include "load.h"

namespace duckback::torture {

// How the database file is made.
struct Form {
  fs::path path;
  std::string storage_version{};     // "" = the library's default
  std::uint64_t block_bytes = 0;     // 0 = the library's default
  bool encrypted = false;            // with kKey
  std::string wal_autocheckpoint{};  // instead of the load's
};
inline constexpr const char* kKey = "torture, not secret";

// Attaches the database and makes it the session's own; creates it if there is none.
void attach(Session& session, const Form& form, const fs::path& path);

inline constexpr std::uint64_t kBallastRowsPerMib = 1 << 17;
// The empty tables of a load, its ballast, and the tables that record progress.
void create_tables(Session& session, const Load& load, std::uint64_t generation);

// Runs the load on a new database until standard input ends. Standard output says, a line each:
//   ready
//   commit GENERATION THREAD STEP NANOSECONDS   (CLOCK_MONOTONIC; after the commit has returned)
//   checkpoint NANOSECONDS
// Throws when the database stops working.
void write(const Library& library, const Form& form, const std::string& load, std::uint64_t seed);

}  // namespace duckback::torture
