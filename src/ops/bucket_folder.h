#pragma once

#include <map>
#include <memory>
#include <stop_token>

#include "ops/bucket_address.h"
#include "ops/catalog.h"
#include "ops/verify.h"
#include "store/store.h"

namespace duckback {

// The copies in one folder of a bucket, as those in a folder of this machine (ops/catalog.h). What
// is no name of a copy in a bucket, and what lies below the folder, is not looked at.
class BucketFolder {
 public:
  // Asks nothing yet. Throws Errc::invalid.
  explicit BucketFolder(BucketAddress address, const std::stop_token& stop = {});
  BucketFolder(BucketAddress address, std::shared_ptr<Store> store)
      : address_(std::move(address)), store_(std::move(store)) {}

  // A copy's record, and whether the objects are, by their sizes and ETags, those it describes: two
  // requests, one more for every thousand objects, and one for each record. A database without
  // record is one whose name ends in ".duckdb".
  Catalog read();
  // Throws Errc::not_found if there is no record, Errc::corrupt if it is none.
  CatalogCopy look_at(const std::string& name);
  // Removes a copy as it was looked at: database, WAL, record; a kill leaves what `read` calls
  // missing. Throws Errc::conflict if it is another one now, or somebody copies to its name.
  void remove(const CatalogCopy& copy);

  // Downloads a copy to a scratch folder and verifies it there, as ops/verify.h does, unless what
  // is listed is wrong already. The result is recorded. Throws Errc::not_found if there is none.
  VerifyReport verify(const std::string& name, const VerifyOptions& options);

  // The same bytes, into a new file. Several requests at once.
  void download(const std::string& name, std::uint64_t bytes, const File& to,
                const std::function<void(std::uint64_t done)>& progress);
  std::string address_of(const std::string& name) const { return address_.of(name); }
  Store& store() { return *store_; }

 private:
  using Objects = std::map<std::string, ObjectInfo>;
  Objects list(const std::string& prefix);
  Sidecar load_record(const std::string& name);
  CatalogCopy judge(const std::string& name, Sidecar sidecar, const Objects& objects) const;
  void record(const CatalogCopy& copy, const Sidecar& sidecar);

  BucketAddress address_;
  std::shared_ptr<Store> store_;
};

}  // namespace duckback
