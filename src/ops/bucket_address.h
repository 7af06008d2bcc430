#pragma once

#include <string>

namespace duckback {

// "s3://BUCKET/FOLDER/NAME?OPTIONS": a folder in a bucket, and the name of a copy in it. What ends
// in '/' is the folder, and has no name.
struct BucketAddress {
  std::string folder;   // "s3://BUCKET/FOLDER/"
  std::string name;     // "": the folder itself
  std::string options;  // as of store/s3_address.h, with the '?'; or ""

  // Of the folder, as open_store() takes it.
  std::string store() const { return folder + options; }
  // Of an object in it, as users give it.
  std::string of(const std::string& object) const { return folder + object + options; }
};

// Whether it is the address of a bucket, or of something in one.
bool is_in_bucket(const std::string& address);
BucketAddress parse_bucket_address(const std::string& address);
// The same, where it can only be a folder, with or without a '/' at its end.
BucketAddress parse_bucket_folder(const std::string& address);

}  // namespace duckback
