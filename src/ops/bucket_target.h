#pragma once

#include "ops/bucket_address.h"
#include "ops/copy_claim.h"
#include "ops/copy_target.h"
#include "ops/upload_sink.h"

namespace duckback {

// A copy in a bucket: objects of the names that the files would have. The one of the database
// appears whole, after its WAL if it has one; the record is complete last. Nobody else copies to
// the name meanwhile (ops/copy_claim.h). What is made on the way is in a scratch folder of its own.
class BucketTarget : public CopyTarget {
 public:
  // Throws Errc::refused for what cannot be replaced by a copy, Errc::conflict if somebody else is
  // copying to that name, and as the store does.
  explicit BucketTarget(const CopyOptions& options);
  // The same in a given store and scratch folder, for tests.
  BucketTarget(const CopyOptions& options, std::shared_ptr<Store> store, const fs::path& scratch);

  const fs::path& workplace() const override { return workplace_; }
  std::string address(std::string_view suffix = "") const override {
    return address_.of(address_.name + std::string(suffix));
  }
  void publish(FileSink::Staged& copy, Sidecar& sidecar) override;
  void publish_folder(const fs::path& folder, Sidecar& sidecar) override;

  // Where an image can go at once, and what then gives it its name.
  std::unique_ptr<UploadSink> make_sink();
  void publish(UploadSink::Staged& copy, Sidecar& sidecar);

 private:
  void refuse_repository() const;
  void choose_name(const CopyOptions& options);
  bool take_name(const CopyOptions& options, bool chosen);
  void check_replaceable() const;
  bool has(std::string_view suffix) const;
  void put_record(const Sidecar& sidecar);
  void publish(SentFile& database, std::optional<StagedFile>& wal, Sidecar& sidecar);

  BucketAddress address_;
  std::shared_ptr<Store> store_;
  std::unique_ptr<CopyClaim> claim_;
  std::vector<std::string> there_;  // objects of that name, and of its other files
  TempFolder scratch_;
  fs::path workplace_;
  Sending sending_;
  UploadStart start_;
};

}  // namespace duckback
