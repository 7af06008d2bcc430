#include "ops/bucket_folder.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/task_group.h"
#include "io/temp_file.h"
#include "ops/copy_claim.h"
#include "ops/scratch_database.h"
#include "store/open_store.h"

namespace duckback {
namespace {

constexpr std::size_t kPiecesAtOnce = 4;
constexpr std::uint64_t kPieceBytes = 8 << 20;
constexpr std::string_view kDatabaseSuffix = ".duckdb";

std::string wal_of(const std::string& name) { return name + ".wal"; }
std::string record_of(const std::string& name) { return name + std::string(kSidecarSuffix); }

std::string find_difference(const std::string& what, const ObjectInfo& object, std::uint64_t bytes,
                            const std::string& etag) {
  if (object.bytes != bytes) {
    return fmt::format("{} has {} bytes, duckback wrote {}", what, object.bytes, bytes);
  }
  if (!etag.empty() && !object.tag.empty() && object.tag != etag) {
    return fmt::format("{} is another object than duckback wrote: its ETag is {}, not {}", what,
                       object.tag, etag);
  }
  return "";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// What is said about the file outlives it: it is about the copy.
VerifyReport verify_as(const std::string& address, const fs::path& file,
                       const VerifyOptions& options) {
  try {
    VerifyReport report = verify(file, options);
    report.path = address;
    for (VerifyFinding& finding : report.findings) {
      finding.text = replaced(finding.text, file.string(), address);
    }
    for (std::string& note : report.notes) note = replaced(note, file.string(), address);
    return report;
  } catch (const Error& error) {
    throw Error(error.code(), replaced(error.what(), file.string(), address));
  }
}

}  // namespace

BucketFolder::BucketFolder(BucketAddress address, const std::stop_token& stop)
    : address_(std::move(address)), store_(open_store(address_.store(), stop)) {}

BucketFolder::Objects BucketFolder::list(const std::string& prefix) {
  Objects objects;
  store_->list_folder(prefix, [&](const ObjectInfo& object) { objects[object.key] = object; });
  return objects;
}

Sidecar BucketFolder::load_record(const std::string& name) {
  Bytes bytes = store_->get(record_of(name));
  return parse_sidecar({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                       address_of(record_of(name)));
}

CatalogCopy BucketFolder::judge(const std::string& name, Sidecar sidecar,
                                const Objects& objects) const {
  CatalogCopy copy;
  copy.sidecar = std::move(sidecar);
  copy.path = address_of(name);
  copy.name = name;
  auto database = objects.find(name);
  auto wal = objects.find(wal_of(name));
  bool has_wal = wal != objects.end();
  if (database == objects.end()) {
    copy.state = CatalogCopy::State::missing;
    copy.problem = "the database is gone, only its record is left";
    return copy;
  }
  copy.bytes = database->second.bytes + (has_wal ? wal->second.bytes : 0);
  copy.etag = database->second.tag;
  const Sidecar& record = copy.sidecar;
  if (record.file != name) {
    copy.problem = fmt::format("its record is about '{}': it was renamed or replaced", record.file);
  } else {
    copy.problem = find_difference("it", database->second, record.bytes, record.etag);
  }
  if (copy.problem.empty() && has_wal != record.wal.has_value()) {
    copy.problem = has_wal ? "a WAL lies beside that duckback did not write"
                           : "its WAL is gone: without it, it is an older state";
  } else if (copy.problem.empty() && has_wal) {
    copy.problem = find_difference("its WAL", wal->second, record.wal->bytes, record.wal->etag);
  }
  if (!copy.problem.empty()) copy.state = CatalogCopy::State::changed;
  return copy;
}

CatalogCopy BucketFolder::look_at(const std::string& name) {
  return judge(name, load_record(name), list(name));
}

Catalog BucketFolder::read() {
  Objects objects = list("");
  std::set<std::string> claimed = list_claims(*store_);
  std::vector<std::string> names;
  Catalog catalog;
  for (const auto& [key, object] : objects) {
    if (is_sidecar_name(key)) {
      names.push_back(copy_of_sidecar(key).string());
    } else if (key.ends_with(kDatabaseSuffix) && !objects.contains(record_of(key))) {
      catalog.foreign.push_back({address_of(key), object.bytes});
    }
  }
  std::mutex mutex;
  for_each_at_once(*store_, names.size(), [&](std::size_t i) {
    const std::string& name = names[i];
    try {
      CatalogCopy copy = judge(name, load_record(name), objects);
      if (copy.state == CatalogCopy::State::missing) {
        if (claimed.contains(name)) return;  // It is on its way.
        copy = look_at(name);                // It may have come since it was listed.
      }
      std::lock_guard lock(mutex);
      catalog.copies.push_back(std::move(copy));
    } catch (const Error& error) {
      if (error.code() == Errc::not_found) return;  // Removed since it was listed.
      if (error.code() != Errc::corrupt) throw;
      std::lock_guard lock(mutex);
      catalog.problems.push_back({address_of(record_of(name)), error.what()});
    }
  });
  sort_catalog(catalog);
  return catalog;
}

void BucketFolder::remove(const CatalogCopy& copy) {
  auto claim = CopyClaim::take(*store_, copy.name);
  if (!claim) throw Error(Errc::conflict, "{}: somebody copies to it", copy.path.string());
  CatalogCopy now = look_at(copy.name);
  if (now.state != copy.state || now.etag != copy.etag || now.sidecar.time != copy.sidecar.time) {
    throw Error(Errc::conflict, "{} has changed meanwhile; it stays", copy.path.string());
  }
  store_->remove(copy.name);
  if (copy.sidecar.wal) store_->remove(wal_of(copy.name));
  store_->remove(record_of(copy.name));
}

void BucketFolder::download(const std::string& name, std::uint64_t bytes, const File& to,
                            const std::function<void(std::uint64_t)>& progress) {
  std::mutex mutex;
  std::uint64_t done = 0;
  TaskGroup group(kPiecesAtOnce, 1);
  for (std::uint64_t at = 0; at < bytes; at += kPieceBytes) {
    group.run([&, at] {
      Bytes piece = store_->get(name, {.offset = at, .bytes = std::min(kPieceBytes, bytes - at)});
      to.write_at(at, piece);
      std::lock_guard lock(mutex);
      done += piece.size();
      if (progress) progress(done);
    });
  }
  group.wait();
}

VerifyReport BucketFolder::verify(const std::string& name, const VerifyOptions& options) {
  Objects objects = list(name);
  std::optional<CatalogCopy> copy;
  if (objects.contains(record_of(name))) {
    copy = look_at(name);
  } else if (!objects.contains(name)) {
    throw Error(Errc::not_found, "there is no {}; a folder is named with a '/' at its end",
                address_of(name));
  }
  VerifyReport report;
  report.path = address_of(name);
  if (copy && !copy->problem.empty()) {
    report.has_sidecar = true;
    report.finding_count = 1;
    report.findings.push_back({.text = copy->problem, .block = {}, .offset = {}});
    return report;
  }

  std::uint64_t bytes = objects[name].bytes;
  auto wal = objects.find(wal_of(name));
  std::uint64_t wal_bytes = wal == objects.end() ? 0 : wal->second.bytes;
  // A WAL is replayed in another copy of both.
  bool twice = wal_bytes > 0 && options.level > VerifyLevel::blocks;
  fs::path place = find_scratch(options.worker.scratch, (bytes + wal_bytes) * (twice ? 2 : 1));
  TempFolder scratch = TempFolder::beside(place / "verify");
  fs::path local = scratch.path() / name;
  auto check_stop = [&](std::uint64_t done) {
    if (options.progress) options.progress(done, bytes);
  };
  download(name, bytes, File::create(local), check_stop);
  if (wal != objects.end()) {
    download(wal_of(name), wal_bytes, File::create(wal_of(local.string())), nullptr);
  }
  if (copy) save_sidecar(local, copy->sidecar);

  VerifyOptions there = options;
  there.worker.scratch = scratch.path();
  report = verify_as(address_of(name), local, there);
  if (!copy) return report;
  try {
    record(*copy, load_sidecar(local));
  } catch (const Error& error) {
    report.notes.push_back(fmt::format("the result could not be recorded: {}", error.what()));
  }
  return report;
}

// Of the copy that was verified, and no other that came in its place.
void BucketFolder::record(const CatalogCopy& copy, const Sidecar& sidecar) {
  auto claim = CopyClaim::take(*store_, copy.name);
  if (!claim) throw Error(Errc::conflict, "{}: somebody copies to it", copy.path.string());
  CatalogCopy now = look_at(copy.name);
  if (now.etag != copy.etag || now.sidecar.time != copy.sidecar.time) {
    throw Error(Errc::conflict, "{} has changed meanwhile", copy.path.string());
  }
  store_->put(record_of(copy.name), as_bytes(sidecar_text(sidecar)));
}

}  // namespace duckback
