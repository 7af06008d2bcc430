#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "store/store.h"

namespace duckback {

// The store at `url`: a path, `file:///PATH` (percent-encoded), or `s3://BUCKET/PREFIX` (see
// s3_address.h), which is not asked yet. Throws Errc::no_repository if there is no such folder,
// Errc::invalid for other addresses. A stop ends the waiting for a store that does not answer.
std::shared_ptr<Store> open_store(const std::string& url, std::stop_token stop = {});
// The same, for a new repository: makes the folder, but no bucket. Errc::refused if a file has its
// name.
std::shared_ptr<Store> make_store(const std::string& url, std::stop_token stop = {});

}  // namespace duckback
