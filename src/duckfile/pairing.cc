#include "duckfile/pairing.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"

namespace duckback {
namespace {

using Verdict = Pairing::Verdict;

Pairing wrong_database(const MainHeader& main, const DatabaseId& wal) {
  bool upgraded = std::all_of(wal.begin(), wal.end(), [](std::uint8_t byte) { return byte == 0; });
  return {
      Verdict::wrong,
      fmt::format("the WAL is of another database: it names identifier {}, the database is {}{}",
                  to_hex(wal), to_hex(main.identifier),
                  upgraded ? " (a database that DuckDB upgraded from storage version 64 can "
                             "look like this too; `duckback copy` repairs that)"
                           : "")};
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::nothing:
      return "nothing";
    case Verdict::fits:
      return "fits";
    case Verdict::contained:
      return "contained";
    case Verdict::unprovable:
      return "unprovable";
    case Verdict::wrong:
      return "wrong";
  }
  return "unprovable";
}

Pairing judge_pairing(const MainHeader& main, const DatabaseHeader* header, const WalContent& wal) {
  if (!wal.header || (wal.commits == 0 && !wal.marker)) {
    return {Verdict::nothing, "the WAL holds no commit"};
  }
  if (wal.header->encrypted != main.encryption.has_value()) {
    return {Verdict::wrong, fmt::format("the WAL is of another database: it is {}, the database {}",
                                        wal.header->encrypted ? "encrypted" : "not encrypted",
                                        wal.header->encrypted ? "is not" : "is")};
  }
  if (wal.header->identifier && *wal.header->identifier != main.identifier) {
    return wrong_database(main, *wal.header->identifier);
  }
  if (header == nullptr) {
    return {Verdict::unprovable,
            fmt::format("{}the database's iteration cannot be read without the key",
                        wal.header->identifier ? "the identifiers agree, but " : "")};
  }
  bool checkpointed = wal.marker && wal.marker->meta_block == header->meta_block;
  std::optional<std::uint64_t> iteration = wal.header->iteration;
  if (checkpointed && (!iteration || *iteration + 1 == header->iteration)) {
    return {Verdict::contained,
            "the WAL's CHECKPOINT entry names the catalog that the database has: its commits are "
            "in the database already"};
  }
  if (!iteration) {
    return {Verdict::unprovable,
            "the WAL names no identifier and no iteration, as below storage version 67: that the "
            "two belong together cannot be proven"};
  }
  if (*iteration != header->iteration) {
    return {Verdict::wrong,
            fmt::format(
                "the WAL is of another time: it continues iteration {}, the database is at "
                "iteration {}; look for the {} that belongs to it",
                *iteration, header->iteration,
                *iteration < header->iteration ? "older database file" : "newer database file")};
  }
  return {Verdict::fits, fmt::format("identifier and iteration {} agree", *iteration)};
}

}  // namespace duckback
