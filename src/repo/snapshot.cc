#include "repo/snapshot.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/error.h"
#include "repo/hex.h"
#include "repo/session.h"

namespace duckback {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kDepthMost = 64;
constexpr std::size_t kTimeChars = 19;  // "YYYYMMDDTHHMMSSmmmZ"
constexpr std::string_view kLive = "snapshots/";
constexpr std::string_view kTrash = "trash/snapshots/";

// "2026-11-22T23:45:01.250Z" to "20261122T234501250Z" and back.
std::string time_of_key(SystemTime time) {
  std::string text;
  for (char c : format_utc_ms(time)) {
    if (c != '-' && c != ':' && c != '.') text += c;
  }
  return text;
}

std::optional<SystemTime> parse_time_of_key(std::string_view text) {
  if (text.size() != kTimeChars || text[8] != 'T' || text[18] != 'Z') return std::nullopt;
  auto part = [&](std::size_t at, std::size_t count) { return text.substr(at, count); };
  try {
    return parse_utc(fmt::format("{}-{}-{}T{}:{}:{}.{}Z", part(0, 4), part(4, 2), part(6, 2),
                                 part(9, 2), part(11, 2), part(13, 2), part(15, 3)));
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<SnapshotName> parse_key(const ObjectInfo& object, std::string_view prefix) {
  std::string_view rest = std::string_view(object.key).substr(prefix.size());
  constexpr std::size_t kDatabase = 16;
  if (rest.size() != kDatabase + 1 + kTimeChars + 1 + 32) return std::nullopt;
  std::string_view database = rest.substr(0, kDatabase);
  std::string_view id = rest.substr(kDatabase + 1 + kTimeChars + 1);
  std::optional<SystemTime> time = parse_time_of_key(rest.substr(kDatabase + 1, kTimeChars));
  if (!is_hex(database, kDatabase) || rest[kDatabase] != '/' || !time ||
      rest[kDatabase + 1 + kTimeChars] != '-' || !is_hex(id, 32)) {
    return std::nullopt;
  }
  return SnapshotName{.key = object.key,
                      .database_id = std::string(database),
                      .id = std::string(id),
                      .time = *time,
                      .trashed = prefix == kTrash,
                      .modified = object.modified};
}

std::vector<SnapshotName> list_below(Store& store, std::string_view prefix,
                                     std::string_view below) {
  std::vector<SnapshotName> names;
  store.list(std::string(prefix) + std::string(below), [&](const ObjectInfo& object) {
    if (auto name = parse_key(object, prefix)) names.push_back(std::move(*name));
  });
  std::sort(names.begin(), names.end(), [](const SnapshotName& a, const SnapshotName& b) {
    return std::tie(a.time, a.id) < std::tie(b.time, b.id);
  });
  return names;
}

Json to_json(const MapRef& map) {
  Json json = {{"levels", map.levels}, {"chunk_bytes", map.chunk_bytes}, {"bytes", map.bytes}};
  if (map.root) json["root"] = map.root->hex();
  return json;
}

ChunkId chunk_id(const Json& hex) {
  ChunkId id;
  Bytes bytes = parse_hex(hex.get<std::string>(), id.digest.size());
  std::copy(bytes.begin(), bytes.end(), id.digest.begin());
  return id;
}

// Not what a number of another kind would be converted to.
std::uint64_t whole_number(const Json& json, std::uint64_t most) {
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() > most) {
    throw Error(Errc::damaged, "a map of impossible size");
  }
  return json.get<std::uint64_t>();
}

MapRef map_ref(const Json& json) {
  MapRef map;
  if (json.contains("root")) map.root = chunk_id(json.at("root"));
  map.levels = static_cast<std::uint32_t>(whole_number(json.at("levels"), kMapLevelsMost));
  map.chunk_bytes = whole_number(json.at("chunk_bytes"), kMapChunkBytesMost);
  map.bytes = whole_number(json.at("bytes"), std::uint64_t{1} << 60);
  if ((map.levels == 0) != !map.root || (map.root && map.chunk_bytes == 0)) {
    throw Error(Errc::damaged, "a map of impossible size");
  }
  return map;
}

// Counted before it is parsed: what reads and writes nested values calls itself.
std::size_t depth_of(std::string_view json) {
  std::size_t depth = 0;
  std::size_t most = 0;
  bool in_text = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    char c = json[at];
    if (c == '"') in_text = !in_text;
    if (in_text && c == '\\') ++at;
    if (in_text) continue;
    if (c == '[' || c == '{') most = std::max(most, ++depth);
    if ((c == ']' || c == '}') && depth > 0) --depth;
  }
  return most;
}

Snapshot from_json(const Json& json) {
  Snapshot snapshot;
  json.at("id").get_to(snapshot.id);
  json.at("original").get_to(snapshot.original);
  snapshot.time = parse_utc(json.at("time").get<std::string>());
  json.at("host").get_to(snapshot.host);
  json.at("database").get_to(snapshot.database);
  json.at("named").get_to(snapshot.named);
  json.at("tags").get_to(snapshot.tags);
  json.at("pinned").get_to(snapshot.pinned);
  snapshot.head = chunk_id(json.at("head"));
  snapshot.file = map_ref(json.at("file"));
  snapshot.wal = map_ref(json.at("wal"));
  json.at("added_bytes").get_to(snapshot.added_bytes);
  json.at("added_chunks").get_to(snapshot.added_chunks);
  json.at("parent").get_to(snapshot.parent);
  if (!json.at("details").is_object()) throw Error(Errc::damaged, "details that are no object");
  snapshot.details = json.at("details").dump();
  return snapshot;
}

std::string label_of(std::string_view key) { return std::string(key.substr(key.rfind('/') + 1)); }

std::optional<Bytes> get_if_there(Store& store, const std::string& key) {
  try {
    return store.get(key);
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
    return std::nullopt;
  }
}

Bytes sealed(const Sealer& sealer, const SnapshotName& name, const Snapshot& snapshot) {
  Json json = {{"id", snapshot.id},
               {"original", snapshot.original},
               {"time", format_utc_ms(snapshot.time)},
               {"host", snapshot.host},
               {"database", snapshot.database},
               {"named", snapshot.named},
               {"tags", snapshot.tags},
               {"pinned", snapshot.pinned},
               {"head", snapshot.head.hex()},
               {"file", to_json(snapshot.file)},
               {"wal", to_json(snapshot.wal)},
               {"added_bytes", snapshot.added_bytes},
               {"added_chunks", snapshot.added_chunks},
               {"parent", snapshot.parent},
               {"details", Json::parse(snapshot.details)}};
  // Names of files need not be UTF-8: what is not becomes U+FFFD.
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  ObjectSealer object = sealer.begin(ObjectKind::document);
  Bytes bytes(object.header().begin(), object.header().end());
  object.seal(bytes.size(), as_bytes(label_of(name.key)), as_bytes(text), bytes);
  return bytes;
}

}  // namespace

std::string identity_of(const Snapshot& snapshot) {
  return (snapshot.named ? "" : snapshot.host) + std::string(1, '\0') + snapshot.database;
}

SnapshotName name_snapshot(std::string_view database_id, const Snapshot& snapshot) {
  return {
      .key = fmt::format("{}{}/{}-{}", kLive, database_id, time_of_key(snapshot.time), snapshot.id),
      .database_id = std::string(database_id),
      .id = snapshot.id,
      .time = snapshot.time,
      .trashed = false,
      .modified = {}};
}

std::vector<SnapshotName> list_snapshots(Store& store, std::string_view database_id) {
  return list_below(store, kLive, database_id.empty() ? "" : std::string(database_id) + "/");
}

std::vector<SnapshotName> list_trashed_snapshots(Store& store) {
  return list_below(store, kTrash, "");
}

void put_snapshot(Store& store, const Sealer& sealer, const SnapshotName& name,
                  const Snapshot& snapshot) {
  store.put(name.key, sealed(sealer, name, snapshot));
}

void create_snapshot(Store& store, const Sealer& sealer, const SnapshotName& name,
                     const Snapshot& snapshot) {
  store.create(name.key, sealed(sealer, name, snapshot));
}

Snapshot read_snapshot(Store& store, const Sealer& sealer, const SnapshotName& name) {
  std::string text = read_document(store, sealer, name.key);
  try {
    Snapshot snapshot = from_json(Json::parse(text));
    if (snapshot.id != name.id) throw Error(Errc::damaged, "the id of another snapshot");
    return snapshot;
  } catch (const Json::exception& error) {
    throw Error(Errc::damaged, "{}: {}", name.key, error.what());
  } catch (const Error& error) {
    throw Error(Errc::damaged, "{}: {}", name.key, error.what());
  }
}

SnapshotName trash_snapshot(Store& store, const SnapshotName& name) {
  SnapshotName moved = name;
  moved.key = std::string(kTrash) + name.key.substr(kLive.size());
  moved.trashed = true;
  Bytes bytes = store.get(name.key);
  store.put(moved.key, bytes);
  store.remove(name.key);
  // An undelete at the same time may have taken it for what a killed one had left.
  if (!store.exists(moved.key)) store.put(moved.key, bytes);
  return moved;
}

SnapshotName restore_snapshot(const Session& session, const SnapshotName& name) {
  Store& store = session.store();
  SnapshotName live = name;
  live.key = std::string(kLive) + name.key.substr(kTrash.size());
  live.trashed = false;
  std::optional<Bytes> bytes = get_if_there(store, name.key);
  // One that is live was walked by every prune.
  bool there = store.exists(live.key);
  if (bytes && !there) {
    store.put(live.key, *bytes);
    // A prune removes what is in trash, looks for sessions that bring something back, and only then
    // removes packs: so this one was in trash before that, or is awaited.
    there = session.exists();
    if (!there) store.remove(live.key);
  }
  if (there) {
    store.remove(name.key);
    // Forgotten again at the same time, it must not be gone on both sides.
    if (bytes && !store.exists(live.key)) store.put(live.key, *bytes);
    return live;
  }
  throw Error(Errc::no_snapshot, "snapshot {} was pruned meanwhile, for good", name.id);
}

void put_document(Store& store, const Sealer& sealer, std::string_view key,
                  const std::string& json) {
  ObjectSealer object = sealer.begin(ObjectKind::document);
  Bytes bytes(object.header().begin(), object.header().end());
  object.seal(bytes.size(), as_bytes(label_of(key)), as_bytes(json), bytes);
  store.put(key, bytes);
}

std::string read_document(Store& store, const Sealer& sealer, std::string_view key) {
  constexpr std::uint64_t kBytesMost = 64 << 20;
  Bytes bytes = store.get(key);
  if (bytes.size() < kObjectHeaderBytes + kTagBytes || bytes.size() > kBytesMost) {
    throw Error(Errc::damaged, "{}: {} bytes are no document", key, bytes.size());
  }
  ByteView all = bytes;
  ObjectSealer object =
      sealer.reopen(ObjectKind::document, all.first(kObjectHeaderBytes), std::string(key));
  Bytes text = object.open(kObjectHeaderBytes, as_bytes(label_of(key)),
                           all.subspan(kObjectHeaderBytes), key);
  std::string json(text.begin(), text.end());
  if (depth_of(json) > kDepthMost) throw Error(Errc::damaged, "{}: it nests too deep", key);
  return json;
}

}  // namespace duckback
