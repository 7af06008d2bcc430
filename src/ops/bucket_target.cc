#include "ops/bucket_target.h"

#include <algorithm>

#include "base/error.h"
#include "ops/scratch_database.h"
#include "repo/config.h"
#include "store/open_store.h"

namespace duckback {
namespace {

constexpr std::string_view kWalSuffix = ".wal";

// Returns the object's ETag.
std::string complete(SentFile& file, const std::string& address) {
  ObjectInfo made = file.upload->complete();
  if (made.bytes == file.bytes) return made.tag;
  throw Error(Errc::io, "{} has {} bytes in the bucket, {} were sent; make the copy again", address,
              made.bytes, file.bytes);
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
  if (options.progress) {
    sending_ = [progress = options.progress](std::uint64_t done, std::uint64_t total) {
      progress(CaptureProgress::of_bytes(done, total));
    };
  }
  if (options.method == CopyOptions::Method::export_parquet) {
    throw Error(Errc::refused,
                "cannot export to {}: an export is a folder of files; export to a folder of this "
                "machine, and upload that",
                options.destination);
  }
  refuse_repository();
  choose_name(options);
  start_.begun = [this, step = options.step](const Upload& upload) {
    claim_->note_upload(upload.token());
    if (upload.parts_before() > 0 && step)
      step("going on with the upload of a copy that was stopped");
  };
  workplace_ = scratch_.path() / address_.name;
}

void BucketTarget::refuse_repository() const {
  auto without_slash = [](std::string address) {
    address.erase(address.find_last_not_of('/') + 1);
    return address;
  };
  if (is_repository(*store_)) fail_repository(without_slash(address_.folder));
  if (address_.name.empty() || !store_->exists(address_.name + "/config")) return;
  fail_repository(address_.folder + address_.name);
}

void BucketTarget::choose_name(const CopyOptions& options) {
  fs::path given = address_.name;
  std::string stem = given.stem().string();
  std::string extension = given.extension().string();
  bool chosen = given.empty() || options.timestamp;
  start_.left = remove_dead_claims(*store_, chosen ? "" : address_.name);
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
  claim_ = CopyClaim::take(*store_, address_.name, start_.left);
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
  return std::make_unique<UploadSink>(
      *store_, address_.name,
      UploadSink::Options{.scratch = scratch_.path(), .sending = sending_, .start = start_});
}

void BucketTarget::publish(FileSink::Staged& copy, Sidecar& sidecar) {
  SentFile database = send_file(*store_, address_.name, copy.database, sending_, start_);
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
  // What is there without a record could not be told from what others put there, if this process
  // were killed before the end. A record that is there stays as long as its copy.
  if (!has(kSidecarSuffix)) put_record(sidecar);
  // A database is never there with the WAL of another one: rather it is gone for a moment.
  bool of_two = wal || has(kWalSuffix);
  bool goes_first = of_two && has("");
  if (goes_first) store_->remove(address_.name);
  in_context(goes_first ? "the former copy had to go first; make this one again" : "last step",
             [&] {
               if (sent_wal) {
                 sidecar.wal->etag = complete(*sent_wal, address(kWalSuffix));
               } else if (of_two) {
                 store_->remove(wal_name);
               }
               sidecar.etag = complete(database, address());
             });
  in_context(fmt::format("{} is there, its record is not up to date", address()),
             [&] { put_record(sidecar); });
}

void BucketTarget::put_record(const Sidecar& sidecar) {
  store_->put(address_.name + std::string(kSidecarSuffix), as_bytes(sidecar_text(sidecar)));
}

void BucketTarget::publish_folder(const fs::path&, Sidecar&) {
  DUCKBACK_ASSERT(false);  // Refused before.
}

}  // namespace duckback
