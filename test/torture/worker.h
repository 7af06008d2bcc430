#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace duckback::torture {

// One thing a load does again and again. What it leaves in the database is a function of how many
// of its transactions have committed, so that an image alone tells whether it is a state that once
// was: every stored value is a function of (table, key, transaction), and whole transactions must
// be there or not at all.
struct Worker {
  enum class Kind {
    bulk,     // tables of a few batches of many rows; old tables are dropped
    text,     // the same with strings of up to 10 KB, which DuckDB keeps in overflow blocks
    trickle,  // a few rows with a primary key
    ledger,   // double-entry updates in place; all balances sum to zero
    churn,    // inserts a batch, deletes half of an older one and the rest of a still older one
    catalog,  // creates, indexes, alters and drops tables and views
  };
  Kind kind;
  std::string name;        // unique in its load; also the prefix of its tables
  std::uint64_t rows = 1;  // a transaction
  std::uint64_t keep = 8;  // transactions

  // Mixed into every value, so that no table, and no generation of a swapped file, can pass for
  // another.
  std::uint64_t tag = 0;

  std::vector<std::string> setup() const;
  // Statements of transaction `seq`, from 1 on; the caller adds BEGIN, the journal, COMMIT.
  std::vector<std::string> transaction(std::uint64_t seq) const;
  // The tables and views that exist after `seq` transactions.
  std::vector<std::string> tables(std::uint64_t seq) const;

  // After `seq` transactions `sql` gives `true`. The image may be written to.
  struct Invariant {
    std::string what;
    std::string sql;
  };
  std::vector<Invariant> invariants(std::uint64_t seq) const;
};

}  // namespace duckback::torture
