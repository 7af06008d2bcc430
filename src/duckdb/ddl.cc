#include "duckdb/ddl.h"

namespace duckback {
namespace {

// The words, quoted names and punctuation of a statement; strings and comments are skipped.
class Tokens {
 public:
  explicit Tokens(std::string_view sql) : sql_(sql) {}

  // False at the end.
  bool next() {
    while (at_ < sql_.size() && is_space(sql_[at_])) ++at_;
    if (at_ == sql_.size()) return false;
    text.clear();
    begin = at_;
    char first = sql_[at_];
    if (first == '"' || first == '\'') {
      read_quoted(first);
    } else if (is_word(first)) {
      while (at_ < sql_.size() && is_word(sql_[at_])) text += sql_[at_++];
    } else {
      text = sql_[at_++];
      if (text == "(") ++depth;
      if (text == ")") --depth;
    }
    quoted = first == '"' || first == '\'';
    end = at_;
    return true;
  }
  bool is(std::string_view word) const { return !quoted && text == word; }

  std::string text;
  bool quoted = false;
  std::size_t begin = 0;
  std::size_t end = 0;
  int depth = 0;

 private:
  static bool is_space(char one) { return one == ' ' || one == '\n' || one == '\t' || one == '\r'; }
  static bool is_word(char one) {
    auto byte = static_cast<unsigned char>(one);
    return byte >= 0x80 || one == '_' || one == '$' || (one >= '0' && one <= '9') ||
           (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z');
  }
  void read_quoted(char mark) {
    ++at_;
    while (at_ < sql_.size()) {
      if (sql_[at_] == mark && (at_ + 1 == sql_.size() || sql_[at_ + 1] != mark)) break;
      if (sql_[at_] == mark) ++at_;
      text += sql_[at_++];
    }
    if (at_ < sql_.size()) ++at_;
  }

  std::string_view sql_;
  std::size_t at_ = 0;
};

// The current token and those that follow as part of a dotted name; leaves the token after it.
// Returns where the name ends.
std::size_t skip_name(Tokens& tokens) {
  std::size_t end = tokens.end;
  while (tokens.next() && tokens.is(".")) {
    tokens.next();
    end = tokens.end;
  }
  return end;
}

std::string replace(std::string_view text, std::size_t begin, std::size_t end,
                    std::string_view with) {
  return std::string(text.substr(0, begin)) + std::string(with) + std::string(text.substr(end));
}

}  // namespace

std::vector<std::string> find_generated_columns(std::string_view create_table) {
  std::vector<std::string> found;
  Tokens tokens(create_table);
  while (tokens.depth == 0 && tokens.next()) {
  }
  std::string column;
  bool begins = true;
  int matched = 0;  // words of GENERATED ALWAYS AS
  while (tokens.depth > 0 && tokens.next()) {
    if (tokens.depth != 1) {
      // A parenthesis that opens right after the three words.
      if (matched == 3) found.push_back(column);
      matched = 0;
      continue;
    }
    if (tokens.is(",")) {
      begins = true;
      matched = 0;
      continue;
    }
    if (begins) column = tokens.text;
    begins = false;
    static constexpr std::string_view words[] = {"GENERATED", "ALWAYS", "AS"};
    matched = matched < 3 && tokens.is(words[matched]) ? matched + 1 : 0;
  }
  return found;
}

std::pair<std::string, std::string> object_name(std::string_view create) {
  Tokens tokens(create);
  while (tokens.next()) {
    if (!tokens.is("TABLE") && !tokens.is("VIEW") && !tokens.is("MACRO")) continue;
    tokens.next();
    std::string schema;
    std::string name = tokens.text;
    while (tokens.next() && tokens.is(".")) {
      tokens.next();
      schema = std::exchange(name, tokens.text);
    }
    return {schema, name};
  }
  return {};
}

std::string with_name(std::string_view create, std::string_view path) {
  Tokens tokens(create);
  while (tokens.next()) {
    if (!tokens.is("TABLE") && !tokens.is("VIEW") && !tokens.is("MACRO")) continue;
    tokens.next();
    std::size_t begin = tokens.begin;
    return replace(create, begin, skip_name(tokens), path);
  }
  return std::string(create);
}

std::string with_index_table(std::string_view create_index, std::string_view path) {
  Tokens tokens(create_index);
  while (tokens.next()) {
    if (!tokens.is("ON")) continue;
    tokens.next();
    std::size_t begin = tokens.begin;
    return replace(create_index, begin, skip_name(tokens), path);
  }
  return std::string(create_index);
}

std::string with_constraints(std::string_view create_table,
                             const std::vector<std::string>& constraints) {
  Tokens tokens(create_table);
  while (tokens.depth == 0 && tokens.next()) {
  }
  std::string result(create_table.substr(0, tokens.end));
  std::size_t element = tokens.end;  // where the current element begins
  bool empty = true;
  bool first = true;
  std::size_t used = 0;
  auto finish = [&] {
    if (empty && used == constraints.size()) return;
    result += first ? "" : ",";
    if (empty) {
      result += " " + constraints[used++];
    } else {
      result += create_table.substr(element, tokens.begin - element);
    }
    first = false;
  };
  while (tokens.next() && tokens.depth > 0) {
    if (tokens.depth == 1 && tokens.is(",")) {
      finish();
      element = tokens.end;
      empty = true;
    } else {
      empty = false;
    }
  }
  finish();
  return result + ")";
}

std::vector<std::string> split_statements(std::string_view script) {
  std::vector<std::string> statements;
  Tokens tokens(script);
  std::size_t begin = 0;
  bool empty = true;
  while (tokens.next()) {
    if (tokens.depth == 0 && tokens.is(";")) {
      if (!empty) statements.emplace_back(script.substr(begin, tokens.begin - begin));
      empty = true;
    } else if (empty) {
      begin = tokens.begin;
      empty = false;
    }
  }
  if (!empty) statements.emplace_back(script.substr(begin));
  return statements;
}

}  // namespace duckback
