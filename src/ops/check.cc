#include "ops/check.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "ops/check_ledger.h"
#include "ops/lost_tables.h"
#include "ops/snapshot_details.h"
#include "repo/clear_document.h"
#include "repo/collector.h"
#include "repo/damage.h"
#include "repo/hex.h"
#include "repo/key.h"
#include "repo/mark.h"

namespace duckback {
namespace {

struct ReadSnapshot {
  SnapshotName name;
  Snapshot snapshot;
};

class Check {
 public:
  Check(const Repository& repository, const CheckOptions& options)
      : repository_(repository), options_(options), store_(repository.store()) {}

  CheckReport run() {
    if (options_.tables) {
      WorkerOptions worker;
      worker.library = options_.tables->library;
      worker.stop = options_.stop;
      find_library(worker);
    }
    step("listing");
    check_clear_documents();
    read_snapshots();
    noted_ = list_damage_notes(store_);
    // Snapshots before the index before the packs: what a backup adds meanwhile is not missed.
    step("reading the index");
    index_.emplace(store_, repository_.sealer(), std::set<std::string>{},
                   [this](const std::string& id, const Error& error) {
                     ++report_.indexes;
                     find("index/" + id, without_key(error.what(), "index/" + id));
                   });
    report_.indexes += index_->files().size();
    list_packs();
    read_packs();
    step("walking the snapshots");
    walk();
    if (!lost_.empty()) find_needs();
    if (options_.tables) name_tables();
    finish_findings();
    return std::move(report_);
  }

 private:
  void step(const std::string& what) const {
    if (options_.step) options_.step(what);
    stop();
  }
  void stop() const {
    if (options_.stop.stop_requested()) throw Interrupted();
  }

  static std::string without_key(const std::string& message, const std::string& key) {
    return message.starts_with(key + ": ") ? message.substr(key.size() + 2) : message;
  }

  CheckFinding& find(const std::string& object, const std::string& text) {
    auto [at, added] = findings_.try_emplace(object);
    CheckFinding& finding = at->second;
    if (added) {
      finding.object = object;
      note_damage(object);
    }
    if (finding.text.empty()) {
      finding.text = text;
    } else if (!text.empty() && finding.text.find(text) == std::string::npos) {
      finding.text += "; " + text;
    }
    return finding;
  }

  // At once, for a check may be stopped.
  void note_damage(const std::string& object) {
    std::optional<std::string> pack_id = pack_id_of(object);
    if (!pack_id || !noted_.insert(*pack_id).second) return;
    try {
      put_damage_note(repository_, *pack_id);
    } catch (const Error& error) {
      // A repository that cannot be written can still be checked.
      report_.notes.push_back(
          fmt::format("that {} is damaged could not be noted, so backups rely on it: {}", object,
                      error.what()));
    }
  }

  void note_whole(const std::string& pack_id) {
    if (noted_.erase(pack_id) == 0) return;
    try {
      remove_damage_note(store_, pack_id);
      report_.notes.push_back(
          fmt::format("{} was found damaged before and is whole now", pack_key(pack_id)));
    } catch (const Error& error) {
      report_.notes.push_back(fmt::format("that {} is whole again could not be noted: {}",
                                          pack_key(pack_id), error.what()));
    }
  }

  // Runs `body`, which reads `object`; what is damaged or gone is a finding.
  template <class Body>
  bool reads(const std::string& object, Body body) {
    try {
      body();
      return true;
    } catch (const Error& error) {
      if (error.code() != Errc::damaged && error.code() != Errc::not_found &&
          error.code() != Errc::unsupported) {
        throw;
      }
      find(object,
           error.code() == Errc::not_found ? "is missing" : without_key(error.what(), object));
      return false;
    }
  }

  // config and keys are there twice, with the same bytes.
  void check_clear_documents() {
    check_pair("config", "config", "config-copy");
    if (!repository_.config().encrypted) return;
    std::set<std::string> ids;
    for (const std::string prefix : {"keys/", "keys-copy/"}) {
      store_.list(prefix, [&](const ObjectInfo& object) {
        std::string id = object.key.substr(prefix.size());
        if (is_hex(id, 32)) ids.insert(id);
      });
    }
    for (const std::string& id : ids) {
      if (is_key_of_another(store_, repository_.config().id, id)) {
        report_.notes.push_back(fmt::format("keys/{} is of an init that was killed", id));
      } else {
        check_pair("key", "keys/" + id, "keys-copy/" + id);
      }
    }
  }

  void check_pair(std::string_view kind, const std::string& object, const std::string& copy) {
    Bytes bytes;
    Bytes other;
    auto read = [&](const std::string& key, Bytes& to) {
      return reads(key, [&] {
        to = store_.get(key);
        read_clear_document(kind, to, key);
      });
    };
    bool first = read(object, bytes);
    bool second = read(copy, other);
    const std::string& whole = first ? object : copy;
    const std::string& broken = first ? copy : object;
    if (first && second && bytes != other) {
      find(broken, fmt::format("is not what {} is", whole));
    }
    if (first != second) {
      find(broken, fmt::format("{} is whole and takes its place; copy it over this one", whole));
    }
  }

  void read_snapshots() {
    std::size_t damaged_sources = 0;
    for (const SnapshotName& name : list_snapshots(store_)) {
      ++report_.snapshots;
      ReadSnapshot one{name, {}};
      try {
        one.snapshot = read_snapshot(store_, repository_.sealer(), name);
        damaged_sources += parse_details(one.snapshot.details).damaged();
        snapshots_.push_back(std::move(one));
      } catch (const Error& error) {
        if (error.code() == Errc::not_found) {
          --report_.snapshots;  // Forgotten meanwhile.
          continue;
        }
        if (error.code() != Errc::damaged) throw;
        CheckFinding& finding = find(name.key, without_key(error.what(), name.key));
        finding.needed_by.push_back({.id = name.id, .database = "", .time = name.time});
      }
    }
    if (damaged_sources > 0) {
      report_.notes.push_back(fmt::format(
          "{} of databases that were damaged then",
          damaged_sources == 1 ? "1 snapshot is" : count_of(damaged_sources, "snapshot") + " are"));
    }
  }

  void note_foreign(const std::string& key) {
    report_.notes.push_back(fmt::format("{} is no object of a repository", key));
  }

  // Which packs there are; those that an index names and that are missing, or are of another size.
  void list_packs() {
    std::map<std::string, std::uint64_t> there;
    store_.list("packs/", [&](const ObjectInfo& object) {
      std::string id = object.key.substr(object.key.rfind('/') + 1);
      if (is_hex(id, 64) && object.key == pack_key(id)) {
        there.emplace(id, object.bytes);
        report_.pack_bytes += object.bytes;
      } else {
        note_foreign(object.key);
      }
    });
    report_.packs = there.size();
    // After the packs: what was removed since the index was read has one.
    std::set<std::string> removed;
    for (const Mark& tombstone : list_marks(store_).tombstones) removed.insert(tombstone.pack_id);
    for (const auto& file : index_->files()) {
      for (const PackInfo& pack : file->packs()) {
        if (!listed_.emplace(pack.id, pack).second) continue;
        auto found = there.find(pack.id);
        if (found == there.end()) {
          bad_packs_.insert(pack.id);
          if (!removed.contains(pack.id)) find(pack_key(pack.id), "is missing");
        } else if (found->second != pack.bytes) {
          bad_packs_.insert(pack.id);
          find(pack_key(pack.id),
               fmt::format("has {} bytes, the index says {}", found->second, pack.bytes));
        } else {
          present_.insert(pack.id);
        }
      }
    }
    // Without a whole index it is not known which they are.
    bool whole = std::none_of(findings_.begin(), findings_.end(), [](const auto& finding) {
      return finding.first.starts_with("index");
    });
    for (const auto& [id, bytes] : there) {
      if (listed_.contains(id) || !whole) continue;
      ++report_.orphans;
      report_.orphan_bytes += bytes;
    }
  }

  void read_packs() {
    std::vector<std::string> chosen = choose_packs();
    if (chosen.empty()) return;
    std::uint64_t total = 0;
    for (const std::string& id : chosen) total += listed_.at(id).bytes;
    step("reading " + count_of(chosen.size(), "pack"));
    std::vector<std::string> good;
    for (const std::string& id : chosen) {
      stop();
      if (read_pack(listed_.at(id))) {
        good.push_back(id);
        note_whole(id);
      }
      if (options_.progress) options_.progress(report_.bytes_read, total);
    }
    if (good.empty()) return;
    try {
      add_to_check_ledger(repository_, options_.now, good, present_);
    } catch (const Error& error) {
      // A repository that cannot be written can still be checked.
      report_.notes.push_back(
          fmt::format("what was read could not be noted for --max-age: {}", error.what()));
    }
  }

  // Those that were found damaged before, and those that the options name.
  std::vector<std::string> choose_packs() const {
    std::vector<std::string> ids;
    if (options_.data != CheckOptions::Data::none || options_.max_age) ids = choose_by_options();
    std::set<std::string> chosen(ids.begin(), ids.end());
    for (const std::string& id : noted_) {
      if (present_.contains(id) && !chosen.contains(id)) ids.push_back(id);
    }
    return ids;
  }

  std::vector<std::string> choose_by_options() const {
    std::map<std::string, SystemTime> when = read_check_ledger(repository_, present_);
    auto time_of = [&](const std::string& id) {
      auto found = when.find(id);
      return found == when.end() ? SystemTime{} : found->second;
    };
    std::vector<std::string> ids;
    std::uint64_t bytes = 0;
    for (const std::string& id : present_) {
      bytes += listed_.at(id).bytes;
      if (options_.max_age && time_of(id) > before(options_.now, *options_.max_age)) continue;
      ids.push_back(id);
    }
    if (options_.data != CheckOptions::Data::some) return ids;
    const CheckOptions::Subset& subset = options_.subset;
    if (subset.parts > 0) {
      std::erase_if(ids, [&](const std::string& id) {
        return std::stoull(id.substr(0, 8), nullptr, 16) % subset.parts != subset.part - 1;
      });
      return ids;
    }
    std::stable_sort(ids.begin(), ids.end(), [&](const std::string& a, const std::string& b) {
      return time_of(a) < time_of(b);
    });
    auto wanted = static_cast<std::uint64_t>(static_cast<double>(bytes) * subset.percent / 100);
    std::uint64_t taken = 0;
    std::size_t count = 0;
    while (count < ids.size() && taken < wanted) taken += listed_.at(ids[count++]).bytes;
    ids.resize(count);
    return ids;
  }

  // The whole of it: its name, its directory, every chunk.
  bool read_pack(const PackInfo& pack) {
    std::string key = pack_key(pack.id);
    Bytes bytes;
    try {
      bytes = store_.get(key);
    } catch (const Error& error) {
      if (error.code() != Errc::not_found && error.code() != Errc::damaged) throw;
      bad_packs_.insert(pack.id);
      // Pruned since it was listed; if a snapshot needs it, that is found below.
      if (!has_tombstone(pack.id)) find(key, "is missing");
      return false;
    }
    ++report_.packs_read;
    report_.bytes_read += bytes.size();
    Blake3 hash;
    hash.update(bytes);
    bool named_right = to_hex(hash.digest()) == pack.id;
    PackDirectory directory;
    bool has_directory = reads(key, [&] {
      directory = read_pack_directory(store_, repository_.sealer(), pack.id, bytes.size());
    });
    if (named_right && has_directory && directory.info == pack &&
        opens(key, pack, bytes, directory.chunks)) {
      return true;
    }
    // Chunks are found by the index, so those that it knows are what counts.
    std::vector<PackedChunk> chunks;
    for (const auto& file : index_->files()) {
      if (std::find(file->packs().begin(), file->packs().end(), pack) == file->packs().end()) {
        continue;
      }
      file->for_each([&](std::uint64_t, const ChunkPlace& place) {
        if (place.pack->id == pack.id) chunks.push_back(place.chunk);
      });
    }
    bool all_open = opens(key, pack, bytes, chunks);
    if (all_open) find(key, "its bytes are not what its name says; all chunks in it are good");
    return false;
  }

  bool has_tombstone(const std::string& pack_id) const {
    std::vector<Mark> tombstones = list_marks(store_).tombstones;
    return std::any_of(tombstones.begin(), tombstones.end(),
                       [&](const Mark& mark) { return mark.pack_id == pack_id; });
  }

  bool opens(const std::string& key, const PackInfo& pack, ByteView bytes,
             const std::vector<PackedChunk>& chunks) {
    ObjectSealer sealer = repository_.sealer().reopen(pack.kind, pack.salt);
    std::size_t bad = 0;
    for (const PackedChunk& chunk : chunks) {
      ++report_.chunks_read;
      try {
        std::uint64_t end = std::uint64_t{chunk.offset} + chunk.stored + kTagBytes;
        if (end > bytes.size()) throw Error(Errc::damaged, "{}: it ends too early", key);
        Bytes stored = sealer.open(chunk.offset, chunk.id.digest,
                                   bytes.subspan(chunk.offset, chunk.stored + kTagBytes), key);
        unpack_chunk(std::move(stored), chunk, repository_.namer(), key);
      } catch (const Error& error) {
        if (error.code() != Errc::damaged) throw;
        ++bad;
        bad_chunks_[chunk.id].insert(pack.id);
      }
    }
    if (bad > 0)
      find(key, fmt::format("{} of its {} {} damaged", bad, count_of(chunks.size(), "chunk"),
                            bad == 1 ? "is" : "are"));
    return bad == 0;
  }

  bool is_good(const ChunkId& id, const std::string& pack_id) const {
    if (bad_packs_.contains(pack_id)) return false;
    auto bad = bad_chunks_.find(id);
    return bad == bad_chunks_.end() || !bad->second.contains(pack_id);
  }

  // False if no place has it: then it is in lost_.
  bool has(const ChunkId& id) {
    if (lost_.contains(id)) return false;
    for (const ChunkPlace& place : index_->find_all(id)) {
      if (is_good(id, place.pack->id)) return true;
    }
    lost_.insert(id);
    return false;
  }

  // Everything that a snapshot needs is looked for once.
  void walk() {
    Liveness seen(*index_);
    ChunkReader reader(store_, repository_.sealer(), repository_.namer(), *index_);
    Bytes node_bytes;
    for (const ReadSnapshot& one : snapshots_) {
      const ChunkId& head = one.snapshot.head;
      if (has(head) && seen.set(head)) read_node(reader, head, node_bytes);
      for (const MapRef* map : {&one.snapshot.file, &one.snapshot.wal}) {
        walk_map(
            *map, [&](const ChunkId&) { return node_bytes; },
            [&](const ChunkId& node, std::uint32_t) {
              stop();
              return has(node) && seen.set(node) && read_node(reader, node, node_bytes);
            },
            [&](std::uint64_t, const ChunkId& node, const MapLeaf& leaf) {
              leaf.for_each([&](std::size_t, const MapEntry& entry) {
                wanted_.push_back({entry.chunk, node});
              });
              if (wanted_.size() > kWantedMost) look_for_wanted();
            });
      }
    }
    look_for_wanted();
  }

  // Together: one by one, each would read a page of every index file.
  void look_for_wanted() {
    stop();
    std::sort(wanted_.begin(), wanted_.end(),
              [](const Wanted& a, const Wanted& b) { return a.chunk < b.chunk; });
    std::vector<ChunkId> ids;
    for (const Wanted& wanted : wanted_) {
      if (ids.empty() || !(ids.back() == wanted.chunk)) ids.push_back(wanted.chunk);
    }
    std::vector<bool> there(ids.size());
    for (const auto& file : index_->files()) {
      file->find_all(ids, [&](std::size_t n, std::uint64_t, const ChunkPlace& place) {
        if (is_good(ids[n], place.pack->id)) there[n] = true;
      });
    }
    std::size_t n = 0;
    for (const Wanted& wanted : wanted_) {
      if (!(ids[n] == wanted.chunk)) ++n;
      if (there[n]) continue;
      lost_.insert(wanted.chunk);
      tainted_leaves_.insert(wanted.leaf);
    }
    wanted_.clear();
  }

  bool read_node(const ChunkReader& reader, const ChunkId& node, Bytes& bytes) {
    try {
      bytes = reader.read(node);
      return true;
    } catch (const Error& error) {
      if (error.code() != Errc::damaged) throw;
      for (const ChunkPlace& place : index_->find_all(node)) {
        bad_chunks_[node].insert(place.pack->id);
        find(pack_key(place.pack->id), "headers or parts of maps in it are damaged");
      }
      lost_.insert(node);
      return false;
    }
  }

  // Which snapshots need what is lost, and where: only the ways to it are read.
  void find_needs() {
    ChunkReader reader(store_, repository_.sealer(), repository_.namer(), *index_);
    for (const ReadSnapshot& one : snapshots_) {
      needs_.clear();
      if (lost_.contains(one.snapshot.head)) {
        need(one, one.snapshot.head).headers = true;
        lossy_of(one).unreadable = true;
      }
      for (const MapRef* map : {&one.snapshot.file, &one.snapshot.wal}) {
        bool file = map == &one.snapshot.file;
        walk_map(
            *map, [&](const ChunkId& id) { return reader.read(id); },
            [&](const ChunkId& node, std::uint32_t level) {
              stop();
              if (lost_.contains(node)) {
                DamagedSnapshot& damaged = need(one, node);
                (file ? damaged.map : damaged.wal) = true;
                if (file) lossy_of(one).unreadable = true;
                return false;
              }
              return level > 0 || tainted_leaves_.contains(node);
            },
            [&](std::uint64_t number, const ChunkId&, const MapLeaf& leaf) {
              leaf.for_each([&](std::size_t place, const MapEntry& entry) {
                if (!lost_.contains(entry.chunk)) return;
                if (!file) {
                  need(one, entry.chunk).wal = true;
                  return;
                }
                need_block(one, entry.chunk, number * kMapFanOut + place);
              });
            });
      }
      for (auto& [object, damaged] : needs_) {
        findings_.at(object).needed_by.push_back(std::move(damaged));
      }
    }
  }

  // The objects that `chunk` should be in.
  std::set<std::string> objects_of(const ChunkId& chunk) const {
    std::set<std::string> objects;
    for (const ChunkPlace& place : index_->find_all(chunk))
      objects.insert(pack_key(place.pack->id));
    if (objects.empty()) objects.insert("index");
    return objects;
  }

  DamagedSnapshot& need_in(const ReadSnapshot& one, const std::string& object) {
    auto [at, added] = needs_.try_emplace(object);
    if (added) {
      at->second = {
          .id = one.snapshot.id, .database = one.snapshot.database, .time = one.snapshot.time};
      find(object, object == "index"            ? "chunks that snapshots need are in no index; run "
                                                  "`duckback repair index`"
                   : findings_.contains(object) ? ""
                                                : "is missing");
    }
    return at->second;
  }

  DamagedSnapshot& need(const ReadSnapshot& one, const ChunkId& chunk) {
    std::set<std::string> objects = objects_of(chunk);
    for (const std::string& object : objects) need_in(one, object);
    return need_in(one, *objects.begin());
  }

  void need_block(const ReadSnapshot& one, const ChunkId& chunk, std::uint64_t block) {
    for (const std::string& object : objects_of(chunk)) {
      DamagedSnapshot& damaged = need_in(one, object);
      ++damaged.block_count;
      if (damaged.blocks.size() == DamagedSnapshot::kBlocksMost) continue;
      damaged.blocks.push_back(block);
      lossy_of(one).blocks.emplace(block, chunk);
    }
  }

  // Snapshots come one after the other.
  LossySnapshot& lossy_of(const ReadSnapshot& one) {
    if (lossy_.empty() || lossy_.back().snapshot != &one.snapshot) {
      lossy_.push_back({.snapshot = &one.snapshot});
    }
    return lossy_.back();
  }

  void name_tables() {
    std::vector<std::vector<LostTable>> tables = find_lost_tables(
        repository_, lossy_,
        {.scratch = *options_.tables,
         .is_lost = [this](const ChunkId& id) { return lost_.contains(id); },
         .step = [this](const std::string& what) { step(what); },
         .note = [this](const std::string& text) { report_.notes.push_back(text); }});
    std::map<std::string, const std::vector<LostTable>*> by_snapshot;
    for (std::size_t i = 0; i < lossy_.size(); ++i) {
      by_snapshot.emplace(lossy_[i].snapshot->id, &tables[i]);
    }
    for (auto& [object, finding] : findings_) {
      for (DamagedSnapshot& damaged : finding.needed_by) {
        auto found = by_snapshot.find(damaged.id);
        if (found != by_snapshot.end()) add_tables(damaged, *found->second);
      }
    }
  }

  // Those of the blocks that this finding is about.
  static void add_tables(DamagedSnapshot& damaged, const std::vector<LostTable>& tables) {
    std::set<std::uint64_t> blocks(damaged.blocks.begin(), damaged.blocks.end());
    std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t> counts;
    for (const LostTable& one : tables) {
      if (blocks.contains(one.block)) ++counts[{one.schema, one.table, one.snapshot}];
    }
    for (const auto& [table, count] : counts) {
      const auto& [schema, name, snapshot] = table;
      damaged.tables.push_back(
          {.schema = schema, .table = name, .snapshot = snapshot, .blocks = count});
    }
  }

  void finish_findings() {
    for (auto& [object, finding] : findings_) report_.findings.push_back(std::move(finding));
  }

  static constexpr std::size_t kWantedMost = 1 << 17;  // 8 MiB, and 4 MiB while they are looked for
  struct Wanted {
    ChunkId chunk;
    ChunkId leaf;  // that names it
  };

  const Repository& repository_;
  const CheckOptions& options_;
  Store& store_;
  CheckReport report_;
  std::map<std::string, CheckFinding> findings_;  // by object
  std::set<std::string> noted_;                   // packs that have a note of damage
  std::vector<ReadSnapshot> snapshots_;
  std::optional<Index> index_;
  std::map<std::string, PackInfo> listed_;                         // by an index
  std::set<std::string> present_;                                  // of these, with the right size
  std::set<std::string> bad_packs_;                                // of these, the others
  std::unordered_map<ChunkId, std::set<std::string>> bad_chunks_;  // the packs where they are bad
  std::vector<Wanted> wanted_;                                     // blocks not yet looked for
  std::unordered_set<ChunkId> lost_;                               // that snapshots need
  std::unordered_set<ChunkId> tainted_leaves_;                     // with a lost chunk
  std::map<std::string, DamagedSnapshot> needs_;                   // of one snapshot, by object
  std::vector<LossySnapshot> lossy_;                               // point into snapshots_
};

}  // namespace

CheckOptions::Subset parse_subset(const std::string& text) {
  CheckOptions::Subset subset;
  auto number = [&](std::string_view part, auto& to) {
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), to);
    return error == std::errc() && end == part.data() + part.size();
  };
  std::string_view all = text;
  if (all.ends_with("%") && number(all.substr(0, all.size() - 1), subset.percent) &&
      subset.percent > 0 && subset.percent <= 100) {
    return subset;
  }
  std::size_t slash = all.find('/');
  if (slash != all.npos && number(all.substr(0, slash), subset.part) &&
      number(all.substr(slash + 1), subset.parts) && subset.part >= 1 &&
      subset.part <= subset.parts) {
    return subset;
  }
  throw Error(Errc::invalid, "'{}' is no part of a repository; write 5% or 2/7", text);
}

CheckReport check(const Repository& repository, const CheckOptions& options) {
  return Check(repository, options).run();
}

}  // namespace duckback
