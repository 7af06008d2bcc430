#pragma once

#include <functional>

#include "store/s3_client.h"
#include "store/store.h"

namespace duckback {

// Calls `visit` for every object whose whole name begins with `prefix`, in byte order; or only for
// those with no further '/' in it. Throws Errc::unsupported if the server does not keep that order.
enum class Depth { all, folder };
void list_objects(S3Client& client, const std::string& prefix, Depth depth,
                  const std::function<void(const ObjectInfo&)>& visit);

}  // namespace duckback
