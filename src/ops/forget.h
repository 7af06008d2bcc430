#pragma once

#include "ops/bucket_folder.h"
#include "ops/catalog.h"
#include "ops/retention.h"

namespace duckback {

struct ForgetOptions {
  KeepPolicy policy;
  bool dry_run = false;
  SystemTime now = std::chrono::system_clock::now();
};

// What happens to one copy, and why.
struct ForgetDecision {
  CatalogCopy copy;
  bool keep = true;
  std::vector<std::string> reasons;
  bool removed = false;
  std::string error;  // why it could not be removed
};

struct ForgetReport {
  std::vector<ForgetDecision> decisions;  // in the catalog's order
  std::vector<CatalogProblem> problems;   // sidecars that cannot be read: not touched
  std::size_t foreign = 0;                // databases without sidecar: not touched
};

// Removes the copies in `folder` that the policy does not keep; every identity is judged alone.
// Never touched: what has no sidecar, what is not what its sidecar says, what a process has open,
// and the newest good copy of each identity. Goes on after a copy that cannot be removed. A kill at
// any moment leaves each copy whole, or in a state that no DuckDB opens and the next forget
// finishes. Throws Errc::invalid for an empty policy.
ForgetReport forget(const fs::path& folder, const ForgetOptions& options);
// The same in a bucket.
ForgetReport forget(BucketFolder& folder, const ForgetOptions& options);

}  // namespace duckback
