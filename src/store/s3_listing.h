#pragma once

#include <functional>

#include "store/s3_client.h"
#include "store/store.h"

namespace duckback {

// Calls `visit` for every object whose whole name begins with `prefix`, in byte order. Throws
// Errc::unsupported if the server does not keep that order.
void list_objects(S3Client& client, const std::string& prefix,
                  const std::function<void(const ObjectInfo&)>& visit);

}  // namespace duckback
