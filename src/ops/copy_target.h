#pragma once

#include <memory>

#include "ops/copy.h"
#include "ops/destination.h"
#include "ops/file_sink.h"

namespace duckback {

// Takes a copy that is made: under a name of this machine, or (ops/bucket_target.h) of a bucket.
class CopyTarget {
 public:
  virtual ~CopyTarget() = default;
  // The files of a copy are made beside this path.
  virtual const fs::path& workplace() const = 0;
  // What users call the copy, or, with a suffix, the file of it.
  virtual std::string address(std::string_view suffix = "") const = 0;
  // Gives a copy its name and writes its record, which is completed by what is known of the files.
  // Throws Errc::refused if there is one of that name and it is not to be replaced.
  virtual void publish(FileSink::Staged& copy, Sidecar& sidecar) = 0;
  // The same for an export.
  virtual void publish_folder(const fs::path& folder, Sidecar& sidecar) = 0;
};

// A file or folder of this machine, as of ops/destination.h. Throws as Destination, check_apart()
// and check_replaceable().
std::unique_ptr<CopyTarget> open_file_target(const CopyOptions& options);

// Completes the record by what is known of the files.
void note_files(Sidecar& sidecar, const std::string& name, std::uint64_t bytes,
                const Digest& blake3, const std::optional<StagedFile>& wal);
[[noreturn]] void fail_repository(const std::string& address);
[[noreturn]] void fail_exists(const std::string& address, const CopyOptions& options);

}  // namespace duckback
