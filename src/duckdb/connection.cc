#include "duckdb/connection.h"

#include <array>

#include "duckdb/sql.h"

namespace duckback {
namespace {

struct Meaning {
  std::string_view text;
  Errc code;
};

// DuckDB's C API has no code for any of these. The first one found counts.
constexpr std::array kMeanings = {
    Meaning{"No space left on device", Errc::no_space},
    Meaning{"Disk quota exceeded", Errc::no_space},
    Meaning{"File too large", Errc::no_space},
    Meaning{"max_temp_directory_size", Errc::no_space},
    Meaning{"Conflicting lock is held", Errc::conflict},
    Meaning{"is not a known DuckDB version", Errc::invalid},  // of a STORAGE_VERSION
    Meaning{"Unrecognized option for attach", Errc::unsupported},
    Meaning{"newer version of DuckDB", Errc::unsupported},
    Meaning{"but we can only read version", Errc::unsupported},
    Meaning{"but only version", Errc::unsupported},
    Meaning{"unknown index type", Errc::unsupported},
    Meaning{"Unknown index type", Errc::unsupported},
    Meaning{"You need to load the extension", Errc::unsupported},
    Meaning{"extension is not loaded", Errc::unsupported},
    Meaning{"exists in the", Errc::unsupported},  // "… exists in the spatial extension"
    Meaning{"not supported in storage version", Errc::unsupported},
    Meaning{"read-only crypto", Errc::unsupported},
    Meaning{"Cannot open encrypted database", Errc::refused},
    Meaning{"Wrong encryption key", Errc::refused},
    Meaning{"A key is explicitly specified, but database", Errc::refused},
    Meaning{"Out of Memory Error", Errc::io},
};

void replace_all(std::string& text, const std::string& from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

Errc classify_message(std::string_view message) {
  for (const Meaning& meaning : kMeanings) {
    if (message.find(meaning.text) != std::string_view::npos) return meaning.code;
  }
  return Errc::unverified;
}

class Connection::ScopedResult {
 public:
  ScopedResult(Connection& connection, const std::string& sql) : library_(connection.library_) {
    if (library_.query(connection.connection_, sql.c_str(), &result) == duckdb_api::kSuccess) {
      return;
    }
    const char* message = library_.result_error(&result);
    std::string copy = message == nullptr ? "unknown error" : message;
    library_.destroy_result(&result);
    connection.fail(copy);
  }
  ~ScopedResult() { library_.destroy_result(&result); }
  ScopedResult(const ScopedResult&) = delete;
  ScopedResult& operator=(const ScopedResult&) = delete;

  duckdb_api::Result result{};

 private:
  const Library& library_;
};

Connection::Connection(const Library& library, const Settings& settings) : library_(library) {
  duckdb_api::Handle config = nullptr;
  if (library_.create_config(&config) != duckdb_api::kSuccess) fail("cannot make a configuration");
  for (const auto& [name, value] : settings) {
    if (library_.set_config(config, name.c_str(), value.c_str()) != duckdb_api::kSuccess) {
      library_.destroy_config(&config);
      fail(fmt::format("it does not know the setting {} = {}", name, value));
    }
  }
  char* message = nullptr;
  int state = library_.open_ext(nullptr, &database_, config, &message);
  library_.destroy_config(&config);
  if (state != duckdb_api::kSuccess) {
    std::string copy = message == nullptr ? "cannot start" : message;
    library_.free(message);
    fail(copy);
  }
  if (library_.connect(database_, &connection_) != duckdb_api::kSuccess) {
    library_.close(&database_);
    fail("cannot connect");
  }
}

Connection::~Connection() {
  library_.disconnect(&connection_);
  library_.close(&database_);
}

void Connection::run(const std::string& sql) { ScopedResult result(*this, sql); }

Rows Connection::query(const std::string& sql) {
  ScopedResult scoped(*this, sql);
  std::uint64_t columns = library_.column_count(&scoped.result);
  for (std::uint64_t column = 0; column < columns; ++column) {
    DUCKBACK_ASSERT(library_.column_type(&scoped.result, column) == duckdb_api::kTypeVarchar);
  }
  Rows rows;
  while (duckdb_api::Handle chunk = library_.fetch_chunk(scoped.result)) {
    std::size_t first = rows.size();
    std::size_t count = library_.data_chunk_get_size(chunk);
    rows.resize(first + count, Row(columns));
    for (std::uint64_t column = 0; column < columns; ++column) {
      duckdb_api::Handle vector = library_.data_chunk_get_vector(chunk, column);
      auto* values = static_cast<const duckdb_api::String*>(library_.vector_get_data(vector));
      const std::uint64_t* valid = library_.vector_get_validity(vector);
      for (std::size_t row = 0; row < count; ++row) {
        if (valid != nullptr && ((valid[row / 64] >> (row % 64)) & 1) == 0) continue;
        rows[first + row][column].emplace(values[row].data(), values[row].bytes);
      }
    }
    library_.destroy_data_chunk(&chunk);
  }
  return rows;
}

std::string Connection::query_text(const std::string& sql) {
  Rows rows = query(sql);
  DUCKBACK_ASSERT(rows.size() == 1 && rows[0].size() == 1 && rows[0][0]);
  return *rows[0][0];
}

void Connection::hide(const std::string& secret) {
  if (secret.empty()) return;
  // As it is written in SQL first: it contains the other.
  std::string quoted = quote_text(secret);
  secrets_.push_back(quoted.substr(1, quoted.size() - 2));
  secrets_.push_back(secret);
}

void Connection::fail(std::string message) const {
  // The lines after the first quote the statement.
  message.resize(std::min(message.find("\n\nLINE "), message.size()));
  message.resize(std::min(message.find("\nLINE "), message.size()));
  for (const std::string& secret : secrets_) replace_all(message, secret, "***");
  while (!message.empty() && message.back() == '\n') message.pop_back();
  replace_all(message, "\n", " ");
  throw Error(classify_message(message), "DuckDB {}: {}", library_.version, message);
}

}  // namespace duckback
