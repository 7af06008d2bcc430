#include "ops/bucket_target.h"

#include <algorithm>

#include "base/error.h"
#include "ops/scratch_database.h"
#include "store/open_store.h"

namespace duckback {
namespace {

constexpr std::string_view kWalSuffix = ".wal";

void check_length(const ObjectInfo& made, std::uint64_t bytes, const std::string& address) {
  if (made.bytes == bytes) return;
  throw Error(Errc::io, "{} has {} bytes in the bucket, {} were sent; make the copy again", address,
              made.bytes, bytes);
}

}  // namespace

BucketTarget::BucketTarget(const CopyOptions& options)
    : BucketTarget(options,
                   open_store(parse_bucket_address(options.destination).store(), options.stop),
                   find_scratch(options.scratch, 0)) {}

BucketTarget::BucketTarget(const CopyOptions& options, std::shared_ptr<Store> store,
                           const fs::path& scratch)
    : address_(parse_bucket_address(options.destination)),
      store_(std::move(store)),
      scratch_(TempFolder::beside(scratch / "copy")) {
  if (options.method == CopyOptions::Method::export_parquet) {
    throw Error(Errc::refused,
                "cannot export to {}: an export is a folder of files; export to a folder of this "
                "machine, and upload that",
                options.destination);
  }
  remove_dead_claims(*store_);
  choose_name(options);
  workplace_ = scratch_.path() / address_.name;
}

void BucketTarget::choose_name(const CopyOptions& options) {
  fs::path given = address_.name;
  std::string stem = given.stem().string();
  std::string extension = given.extension().string();
  bool chosen = given.empty() || options.timestamp;
  if (given.empty()) {
    stem = "backup";
    extension = ".duckdb";
  }
  if (chosen) stem += "-" + format_local_stamp(std::chrono::system_clock::now());
  address_.name = stem + extension;
  if (!is_key(address_.name)) {
    throw Error(Errc::invalid,
                "'{}' is no name for a copy in a bucket: use letters, digits, '.', '_' and '-'",
                address_.name);
  }
  for (unsigned attempt = 2; !take_name(options, chosen); ++attempt) {
    address_.name = fmt::format("{}-{}{}", stem, attempt, extension);
  }
}

// False if a name that we choose is not free.
bool BucketTarget::take_name(const CopyOptions& options, bool chosen) {
  claim_ = CopyClaim::take(*store_, address_.name);
  if (!claim_) {
    if (chosen) return false;
    throw Error(Errc::conflict,
                "{}: another process copies to it; if that was killed on another machine, its "
                "claim ends an hour after it, or remove {}",
                address(), address_.of("duckback-claims/" + address_.name));
  }
  there_.clear();
  store_->list_folder(address_.name,
                      [&](const ObjectInfo& object) { there_.push_back(object.key); });
  if (chosen) return !has("") && !has(kWalSuffix) && !has(kSidecarSuffix);
  if (!options.clobber && has("")) fail_exists(address(), options);
  check_replaceable();
  return true;
}

bool BucketTarget::has(std::string_view suffix) const {
  return std::ranges::find(there_, address_.name + std::string(suffix)) != there_.end();
}

void BucketTarget::check_replaceable() const {
  if (has(kSidecarSuffix)) return;
  if (has("")) {
    throw Error(Errc::refused,
                "{} exists and has no record of duckback beside it ({}): it may be a database in "
                "its own right. Move it away, or choose another destination",
                address(), address_.name + std::string(kSidecarSuffix));
  }
  if (has(kWalSuffix)) {
    throw Error(Errc::refused,
                "{} is there without its database, and may hold the last of it; move it to a safe "
                "place, or choose another destination",
                address(kWalSuffix));
  }
}

std::unique_ptr<UploadSink> BucketTarget::make_sink() {
  return std::make_unique<UploadSink>(*store_, address_.name,
                                      UploadSink::Options{.scratch = scratch_.path()});
}

void BucketTarget::publish(FileSink::Staged& copy, Sidecar& sidecar) {
  SentFile database = send_file(*store_, address_.name, copy.database);
  publish(database, copy.wal, sidecar);
}

void BucketTarget::publish(UploadSink::Staged& copy, Sidecar& sidecar) {
  publish(copy.database, copy.wal, sidecar);
}

void BucketTarget::publish(SentFile& database, std::optional<StagedFile>& wal, Sidecar& sidecar) {
  note_files(sidecar, address_.name, database.bytes, database.blake3, wal);
  std::optional<SentFile> sent_wal;
  std::string wal_name = address_.name + std::string(kWalSuffix);
  if (wal) sent_wal = send_file(*store_, wal_name, *wal);
  claim_->expect_mine();
  // A database is never there with the WAL of another one: rather it is gone for a moment.
  bool of_two = wal || has(kWalSuffix);
  if (of_two && has("")) store_->remove(address_.name);
  if (sent_wal) {
    ObjectInfo made = sent_wal->upload->complete();
    check_length(made, wal->bytes, address(kWalSuffix));
    sidecar.wal->etag = made.tag;
  } else if (of_two) {
    store_->remove(wal_name);
  }
  ObjectInfo made = database.upload->complete();
  check_length(made, database.bytes, address());
  sidecar.etag = made.tag;
  in_context(fmt::format("{} is there, its record is not", address()), [&] {
    store_->put(address_.name + std::string(kSidecarSuffix), as_bytes(sidecar_text(sidecar)));
  });
}

void BucketTarget::publish_folder(const fs::path&, Sidecar&) {
  DUCKBACK_ASSERT(false);  // Refused before.
}

}  // namespace duckback
