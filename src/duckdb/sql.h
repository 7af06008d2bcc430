#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace duckback {

// "name": an identifier in SQL.
std::string quote_name(std::string_view name);
// 'text': a string in SQL.
std::string quote_text(std::string_view text);
// "catalog"."schema"."name".
std::string quote_path(std::string_view catalog, std::string_view schema, std::string_view name);

}  // namespace duckback
