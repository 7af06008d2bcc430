#pragma once

#include "store/s3_client.h"
#include "store/store.h"

namespace duckback {

// Puts a large object in parts, several at once; it appears whole. If it fails, the parts that were
// sent are removed as far as the server can be reached. `headers` go with its beginning.
void put_in_parts(S3Client& client, const std::string& object, ByteView bytes,
                  const HttpHeaders& headers, std::stop_token stop);
// An upload of `object`, as of Store::begin_upload(). The same.
std::unique_ptr<Upload> begin_parts(S3Client& client, const std::string& object,
                                    const HttpHeaders& headers);
// Goes on with one of `object` by its token, as Store::resume_upload(): the parts that are there
// are known by their ETag, where that is their MD5.
std::unique_ptr<Upload> resume_parts(S3Client& client, const std::string& object,
                                     const HttpHeaders& headers, const std::string& token);
// Removes the parts of all uploads of `object` that were not completed.
void remove_uploads(S3Client& client, const std::string& object);

}  // namespace duckback
