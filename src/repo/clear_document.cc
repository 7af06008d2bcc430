#include "repo/clear_document.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/hash.h"

namespace duckback {
namespace {

using Json = nlohmann::json;

constexpr int kDepthMost = 8;

bool is_sound_object(std::string_view text) {
  bool deep = false;
  auto visit = [&](int depth, Json::parse_event_t, Json&) {
    deep = deep || depth > kDepthMost;
    return !deep;
  };
  Json json = Json::parse(text, visit, /*allow_exceptions=*/false);
  return !deep && json.is_object();
}

// Its size is looked at first: what is too long is never fetched.
Bytes get_bounded(Store& store, const std::string& key) {
  std::optional<std::uint64_t> bytes;
  store.list(key, [&](const ObjectInfo& object) {
    if (object.key == key) bytes = object.bytes;
  });
  if (!bytes) throw Error(Errc::not_found, "{} is missing from {}", key, store.name());
  if (*bytes > kClearDocumentBytesMost) {
    throw Error(Errc::damaged, "{}: {} is too long for it", key, format_bytes(*bytes));
  }
  return store.get(key, {.offset = 0, .bytes = *bytes});
}

}  // namespace

std::string write_clear_document(std::string_view kind, const std::string& json) {
  std::string text = fmt::format("duckback {} 1\n{}\n", kind, json);
  Blake3 hash;
  hash.update(as_bytes(text));
  return text + fmt::format("blake3 {}\n", to_hex(hash.digest()));
}

std::string read_clear_document(std::string_view kind, ByteView bytes, std::string_view object) {
  auto damaged = [&](std::string_view what) {
    return Error(Errc::damaged, "{}: {}", object, what);
  };
  if (bytes.size() > kClearDocumentBytesMost) throw damaged("it is too long");
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string first = fmt::format("duckback {} ", kind);
  std::size_t line = text.find('\n');
  std::size_t second = line == text.npos ? text.npos : text.find('\n', line + 1);
  if (second == text.npos || !text.starts_with(first)) {
    throw damaged(fmt::format("it is no {} of a repository", kind));
  }
  Blake3 hash;
  hash.update(as_bytes(text.substr(0, second + 1)));
  if (text.substr(second + 1) != fmt::format("blake3 {}\n", to_hex(hash.digest()))) {
    throw damaged("its checksum does not fit");
  }
  if (text.substr(first.size(), line - first.size()) != "1") {
    throw Error(Errc::unsupported, "{}: its format is newer than this duckback knows", object);
  }
  std::string_view json = text.substr(line + 1, second - line - 1);
  if (!is_sound_object(json)) throw damaged("it holds no JSON object that could be its own");
  return std::string(json);
}

std::string get_clear_document(Store& store, std::string_view kind, const std::string& object,
                               const std::string& copy) {
  std::optional<Error> first;
  for (const std::string& key : {object, copy}) {
    try {
      return read_clear_document(kind, get_bounded(store, key), key);
    } catch (const Error& error) {
      // A bad sector is Errc::io: the copy lies elsewhere.
      if (error.code() != Errc::damaged && error.code() != Errc::not_found &&
          error.code() != Errc::io) {
        throw;
      }
      if (!first || first->code() == Errc::not_found) first = error;
    }
  }
  throw Error(*first);
}

}  // namespace duckback
