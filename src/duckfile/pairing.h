#pragma once

#include "duckfile/header.h"
#include "duckfile/wal.h"

namespace duckback {

// Whether a WAL belongs to the database it lies beside. A wrong pair doubles or loses rows, and
// below storage version 67 nothing in the files tells.
struct Pairing {
  enum class Verdict {
    nothing,     // the WAL holds no commit, so nothing can go wrong
    fits,        // identifier and iteration agree
    contained,   // the database holds its content already; DuckDB will drop it
    unprovable,  // the files do not say
    wrong,       // of another database or another time
  } verdict = Verdict::nothing;
  std::string explanation;  // a sentence that names what was compared
};
std::string_view name_of(Pairing::Verdict verdict);

// `header` is null for an encrypted database without its key.
Pairing judge_pairing(const MainHeader& main, const DatabaseHeader* header, const WalContent& wal);

}  // namespace duckback
