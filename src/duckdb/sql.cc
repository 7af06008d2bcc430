#include "duckdb/sql.h"

namespace duckback {
namespace {

std::string quote(std::string_view text, char mark) {
  std::string quoted(1, mark);
  for (char one : text) {
    if (one == mark) quoted += mark;
    quoted += one;
  }
  return quoted + mark;
}

}  // namespace

std::string quote_name(std::string_view name) { return quote(name, '"'); }
std::string quote_text(std::string_view text) { return quote(text, '\''); }

std::string quote_path(std::string_view catalog, std::string_view schema, std::string_view name) {
  return quote_name(catalog) + "." + quote_name(schema) + "." + quote_name(name);
}

}  // namespace duckback
