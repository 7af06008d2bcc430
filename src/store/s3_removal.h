#pragma once

#include <string>
#include <vector>

#include "store/s3_client.h"

namespace duckback {

// Removes objects, at most Store::kRemovedAtOnceMost, with one request (DeleteObjects). Returns
// those of which the server says that they are gone: none where it refuses the request, for
// whatever reason. Throws Errc::unavailable if it does not answer, or nothing that can be read.
std::vector<std::string> remove_objects(S3Client& client, const std::vector<std::string>& objects);

}  // namespace duckback
