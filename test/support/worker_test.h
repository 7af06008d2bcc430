#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "duckdb/connection.h"
#include "duckdb/database.h"
#include "duckdb/library.h"
#include "duckdb/sql.h"
#include "duckdb/worker.h"
#include "io/file.h"
#include "test/support/source_tree.h"

namespace duckback {

// Tests with a real DuckDB library (see .deps, filled by `make setup`) and a folder of their own.
// The library is also loaded into the test's process, to make databases with; a process can hold
// several, each for itself.
class WorkerTest : public testing::Test {
 protected:
  explicit WorkerTest(const std::string& version = "1.5.6") {
    options_.library = source_tree() / ".deps/libduckdb" / version / "libduckdb.so";
    options_.threads = 2;
  }
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "the DuckDB libraries are not built for TSan";
#endif
    if (!fs::exists(options_.library)) GTEST_SKIP() << "there is no " << options_.library;
    std::string name = (fs::temp_directory_path() / "duckback-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  const fs::path& folder() const { return folder_; }
  const WorkerOptions& options() const { return options_; }

  // Runs statements on a database, and closes it.
  void run(const fs::path& database, const std::string& sql) const { ask(database, sql, ""); }
  // Runs statements, then returns the rows of a query whose columns are VARCHAR, as "a|b" each;
  // NULL is <null>.
  std::vector<std::string> ask(const fs::path& database, const std::string& statements,
                               const std::string& query, const std::string& catalog = "") const {
    Library library = Library::load(options_.library);
    Connection connection(library, {{"threads", "2"}});
    std::string name = catalog.empty() ? database.stem().string() : catalog;
    attach(connection, {.path = database, .catalog = name});
    connection.run("USE " + quote_name(name));
    if (!statements.empty()) connection.run(statements);
    std::vector<std::string> rows;
    if (!query.empty()) {
      for (const Row& row : connection.query(query)) {
        std::string text;
        for (const auto& value : row) text += (text.empty() ? "" : "|") + value.value_or("<null>");
        rows.push_back(text);
      }
    }
    detach(connection, name);
    return rows;
  }
  fs::path make(const std::string& name, const std::string& sql) const {
    run(folder_ / name, sql);
    return folder_ / name;
  }
  std::vector<TableCount> scan(const fs::path& database) const {
    return open_database({.database = database, .read_only = true, .full_scan = true}, options_)
        .tables;
  }
  static void flip_bit(const fs::path& path, std::uint64_t offset) {
    File file = File::open_write(path);
    std::uint8_t byte = 0;
    ASSERT_EQ(file.read_at(offset, {&byte, 1}), 1u);
    byte ^= 4;
    file.write_at(offset, {&byte, 1});
  }
  static void expect_error(const std::function<void()>& body, Errc code, const std::string& text) {
    try {
      body();
      ADD_FAILURE() << "no error, expected: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(name_of(error.code()), name_of(code)) << error.what();
      EXPECT_THAT(error.what(), testing::HasSubstr(text));
    }
  }

 private:
  fs::path folder_;
  WorkerOptions options_;
};

}  // namespace duckback
