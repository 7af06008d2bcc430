#include "worker.h"

#include <fmt/format.h>

#include <algorithm>

namespace duckback::torture {
namespace {

using std::uint64_t;
constexpr uint64_t kAccounts = 1000;
constexpr uint64_t kSlices = 50;  // of the accounts; a transaction touches one

// Tables of a bulk or text worker are numbered; each takes `keep` batches and is then dropped.
uint64_t table_of(const Worker& w, uint64_t seq) { return (seq - 1) / w.keep; }
std::string numbered(const Worker& w, uint64_t number) {
  return fmt::format("{}_{}", w.name, number);
}
std::string value(const Worker& w) { return fmt::format("hash(k, batch, {})", w.tag); }
// 32 bytes to 9.6 KB that do not compress to nothing.
std::string text_value(const Worker& w) {
  return fmt::format("repeat(md5(concat_ws(',', k, batch, {})), (1 + k % 300)::BIGINT)", w.tag);
}
std::string stamp(const Worker& w) { return fmt::format("hash(id, balance, {})", w.tag); }

bool is_text(const Worker& w) { return w.kind == Worker::Kind::text; }

std::string insert_batch(const Worker& w, const std::string& table, uint64_t seq) {
  return fmt::format(
      "INSERT INTO {} SELECT k, batch, {} FROM (SELECT range AS k, {}::BIGINT AS batch FROM "
      "range({}))",
      table, is_text(w) ? text_value(w) : value(w), seq, w.rows);
}

// Batches `first` to `last` are all there, each whole, and every value is right.
std::vector<Worker::Invariant> whole_batches(const Worker& w, const std::string& table,
                                             uint64_t first, uint64_t last) {
  return {
      {fmt::format("every value of {} is its own", table),
       fmt::format("SELECT count(*) = 0 FROM {} WHERE v IS DISTINCT FROM {}", table,
                   is_text(w) ? text_value(w) : value(w))},
      {fmt::format("{} holds the batches {} to {}, each whole", table, first, last),
       fmt::format("SELECT count(*) = {0} AND min(batch) = {1} AND max(batch) = {2} AND "
                   "bool_and(n = {3} AND s = {4} AND lo = 0 AND hi = {5}) FROM (SELECT batch, "
                   "count(*) AS n, sum(k) AS s, min(k) AS lo, max(k) AS hi FROM {6} GROUP BY "
                   "batch)",
                   last - first + 1, first, last, w.rows, w.rows * (w.rows - 1) / 2, w.rows - 1,
                   table)},
  };
}

// Transaction `seq` moves 1 + seq % 97 between the accounts of its slice.
constexpr std::string_view kSign = "(CASE WHEN (id // 50) % 2 = 0 THEN 1 ELSE -1 END)";

}  // namespace

std::vector<std::string> Worker::setup() const {
  switch (kind) {
    case Kind::trickle:
      return {fmt::format("CREATE TABLE {} (id BIGINT PRIMARY KEY, v UBIGINT)", name)};
    case Kind::ledger:
      return {fmt::format("CREATE TABLE {} (id BIGINT, balance BIGINT, v UBIGINT)", name),
              fmt::format("INSERT INTO {} SELECT id, balance, {} FROM (SELECT range AS id, "
                          "0::BIGINT AS balance FROM range({}))",
                          name, stamp(*this), kAccounts)};
    case Kind::churn:
      return {fmt::format("CREATE TABLE {} (k BIGINT, batch BIGINT, v UBIGINT)", name)};
    case Kind::bulk:
    case Kind::text:
    case Kind::catalog:
      return {};
  }
  return {};
}

std::vector<std::string> Worker::transaction(uint64_t seq) const {
  switch (kind) {
    case Kind::bulk:
    case Kind::text: {
      std::vector<std::string> sql;
      uint64_t number = table_of(*this, seq);
      if ((seq - 1) % keep == 0) {
        sql.push_back(fmt::format("CREATE TABLE {} (k BIGINT, batch BIGINT, v {})",
                                  numbered(*this, number), is_text(*this) ? "VARCHAR" : "UBIGINT"));
        if (number > 0) sql.push_back(fmt::format("DROP TABLE {}", numbered(*this, number - 1)));
      }
      sql.push_back(insert_batch(*this, numbered(*this, number), seq));
      return sql;
    }
    case Kind::trickle:
      return {fmt::format("INSERT INTO {0} SELECT range, hash(range, {1}) FROM range({2}, {3})",
                          name, tag, (seq - 1) * rows, seq * rows)};
    case Kind::ledger: {
      std::string balance =
          fmt::format("balance + {} * {}", kSign, static_cast<std::int64_t>(1 + seq % 97));
      return {fmt::format("UPDATE {} SET balance = {}, v = hash(id, {}, {}) WHERE id % {} = {}",
                          name, balance, balance, tag, kSlices, seq % kSlices)};
    }
    case Kind::churn: {
      std::vector<std::string> sql{insert_batch(*this, name, seq)};
      if (seq > keep / 2)
        sql.push_back(
            fmt::format("DELETE FROM {} WHERE batch = {} AND k % 2 = 0", name, seq - keep / 2));
      if (seq > keep)
        sql.push_back(fmt::format("DELETE FROM {} WHERE batch = {}", name, seq - keep));
      return sql;
    }
    case Kind::catalog: {
      std::string table = numbered(*this, seq);
      std::vector<std::string> sql{
          fmt::format("CREATE TABLE {} (k BIGINT, batch BIGINT, v UBIGINT)", table),
          insert_batch(*this, table, seq), fmt::format("CREATE INDEX {0}_k ON {0} (k)", table),
          fmt::format("CREATE VIEW {0}_view AS SELECT sum(k) AS s FROM {0}", table)};
      if (seq > 2)
        sql.push_back(
            fmt::format("CREATE TABLE {}_extra AS SELECT 7 AS seven", numbered(*this, seq - 2)));
      if (seq > keep) {
        std::string old = numbered(*this, seq - keep);
        sql.push_back(fmt::format("DROP VIEW {}_view", old));
        sql.push_back(fmt::format("DROP TABLE {}", old));
        sql.push_back(fmt::format("DROP TABLE {}_extra", old));
      }
      return sql;
    }
  }
  return {};
}

std::vector<std::string> Worker::tables(uint64_t seq) const {
  switch (kind) {
    case Kind::trickle:
    case Kind::ledger:
    case Kind::churn:
      return {name};
    case Kind::bulk:
    case Kind::text:
      if (seq == 0) return {};
      return {numbered(*this, table_of(*this, seq))};
    case Kind::catalog: {
      std::vector<std::string> names;
      for (uint64_t i = seq > keep ? seq - keep + 1 : 1; i <= seq; ++i) {
        names.push_back(numbered(*this, i));
        names.push_back(numbered(*this, i) + "_view");
        if (i + 2 <= seq) names.push_back(numbered(*this, i) + "_extra");
      }
      return names;
    }
  }
  return {};
}

std::vector<Worker::Invariant> Worker::invariants(uint64_t seq) const {
  switch (kind) {
    case Kind::bulk:
    case Kind::text: {
      if (seq == 0) return {};
      uint64_t number = table_of(*this, seq);
      return whole_batches(*this, numbered(*this, number), number * keep + 1, seq);
    }
    case Kind::trickle: {
      std::vector<Invariant> all{
          {fmt::format("{} holds the rows of {} transactions", name, seq),
           fmt::format("SELECT count(*) = {0} AND count(DISTINCT id) = {0} AND coalesce(min(id), "
                       "0) = 0 AND coalesce(max(id), {0} - 1) = {0} - 1 AND count(*) FILTER (v IS "
                       "DISTINCT FROM hash(id, {1})) = 0 FROM {2}",
                       seq * rows, tag, name)}};
      if (seq > 0) {
        all.push_back(
            {fmt::format("the primary key of {} finds its last row", name),
             fmt::format("SELECT count(*) = 1 FROM {} WHERE id = {}", name, seq * rows - 1)});
        // A no-op exactly if the index knows every row.
        all.push_back({"", fmt::format("INSERT OR IGNORE INTO {0} SELECT * FROM {0}", name)});
        all.push_back({fmt::format("the primary key of {} knows every row", name),
                       fmt::format("SELECT count(*) = {} FROM {}", seq * rows, name)});
      }
      return all;
    }
    case Kind::ledger:
      return {
          {fmt::format("the balances of {} sum to zero", name),
           fmt::format("SELECT sum(balance) = 0 AND count(*) = {} FROM {}", kAccounts, name)},
          {fmt::format("{} holds the balances after {} transactions", name, seq),
           fmt::format(
               "SELECT count(*) = 0 FROM {0} LEFT JOIN (SELECT range % {1} AS slice, sum(1 + range "
               "% 97) AS moved FROM range(1, {2}) GROUP BY ALL) ON slice = id % {1} WHERE balance "
               "<> {3} * coalesce(moved, 0) OR v IS DISTINCT FROM {4}",
               name, kSlices, seq + 1, kSign, stamp(*this))},
      };
    case Kind::churn: {
      uint64_t first = seq > keep ? seq - keep + 1 : 1;
      uint64_t whole = seq > keep / 2 ? seq - keep / 2 + 1 : 1;  // the first with all its rows
      uint64_t odd = rows / 2;
      return {
          {fmt::format("every value of {} is its own", name),
           fmt::format("SELECT count(*) = 0 FROM {} WHERE v IS DISTINCT FROM {}", name,
                       value(*this))},
          {fmt::format("{} holds what {} transactions left", name, seq),
           fmt::format("SELECT count(*) = {0} AND coalesce(min(batch), {1}) = {1} AND "
                       "coalesce(bool_and(CASE WHEN batch < {2} THEN n = {3} AND odd = {3} ELSE n "
                       "= {4} AND odd = {3} END), true) FROM (SELECT batch, count(DISTINCT k) AS "
                       "n, count(*) FILTER (k % 2 = 1) AS odd FROM {5} GROUP BY batch)",
                       seq + 1 - first, first, whole, odd, rows, name)},
          {fmt::format("{} has no row twice", name),
           fmt::format("SELECT count(*) = {} FROM {}",
                       (seq + 1 - whole) * rows + (whole - first) * odd, name)},
      };
    }
    case Kind::catalog: {
      std::vector<Invariant> all;
      for (uint64_t i = seq > keep ? seq - keep + 1 : 1; i <= seq; ++i) {
        std::string table = numbered(*this, i);
        for (Invariant& each : whole_batches(*this, table, i, i)) all.push_back(std::move(each));
        all.push_back({fmt::format("the index and the view of {} work", table),
                       fmt::format("SELECT (SELECT count(*) FROM {0} WHERE k = {1}) = 1 AND "
                                   "(SELECT s FROM {0}_view) = {2}",
                                   table, rows - 1, rows * (rows - 1) / 2)});
        if (i + 2 <= seq)
          all.push_back({fmt::format("{}_extra is whole", table),
                         fmt::format("SELECT sum(seven) = 7 FROM {}_extra", table)});
      }
      return all;
    }
  }
  return {};
}

}  // namespace duckback::torture
