#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <stop_token>

#include "store/s3_client.h"
#include "store/store.h"

namespace duckback {

// Objects in a bucket of S3, or of a server that speaks its protocol, below a prefix. The bucket is
// there already. Every body is sent with a hash that the server checks. The time of an object is
// the server's.
//
// create() relies on `If-None-Match: *`; a server that is not known to honour it is asked once per
// process (see creates_atomically()), and where it does not, creators exclude one another by claims
// (store/s3_claim.h). Claims, and what was asked with, lie in ".duckback/", which holds no keys.
//
// Throws Errc::no_repository if there is no such bucket, Errc::refused if the credentials do not
// suffice, with the permission that lacks.
class S3Store : public Store {
 public:
  // Asks nothing of the server yet. Throws Errc::invalid.
  explicit S3Store(const std::string& url, std::stop_token stop = {},
                   const Environment& environment = process_environment(), HttpOptions http = {})
      : S3Store(parse_s3_url(url), std::move(stop), environment, std::move(http)) {}
  S3Store(S3Location location, std::stop_token stop, const Environment& environment,
          HttpOptions http);

  std::string name() const override;
  void put(std::string_view key, ByteView bytes) override;
  void create(std::string_view key, ByteView bytes) override;
  Bytes get(std::string_view key, Range range = {}) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void list_folder(std::string_view prefix,
                   const std::function<void(const ObjectInfo&)>& visit) override;
  void remove(std::string_view key) override { remove(key, false); }
  void remove_anyway(std::string_view key) override { remove(key, true); }
  std::vector<std::string> remove_at_once(std::span<const std::string> keys) override;
  std::unique_ptr<Upload> begin_upload(std::string_view key) override;
  std::unique_ptr<Upload> resume_upload(std::string_view key, const std::string& token) override;
  void drop_uploads(std::string_view key) override;
  bool exists(std::string_view key) override;
  // Whether one request makes create() exclusive, or a protocol of several, which relies on all
  // creators following it. A server that is not known is tried out with an object of its own.
  bool creates_atomically();
  bool is_remote() const override { return true; }
  Traffic traffic() const { return client_.traffic(); }

  // Claims, and what the server was asked with. Not uploads: whose they are only drop_uploads() is
  // told.
  std::size_t remove_leftovers(SystemTime before) override;

 private:
  std::string object_of(std::string_view key) const;
  std::string hidden_folder() const;
  void remove(std::string_view key, bool despite_stop);
  std::function<void(const ObjectInfo&)> by_key(
      const std::function<void(const ObjectInfo&)>& visit) const;
  HttpHeaders put_headers(ByteView bytes, bool whole);
  S3Request put_request(std::string object, ByteView bytes);
  std::optional<bool> create_if_none(const std::string& object, ByteView bytes, bool is_probe);
  void create_by_claim(const std::string& object, ByteView bytes);
  bool probe();
  std::uint64_t size_of(const std::string& object);
  bool is_there(const std::string& object);
  Bytes part_of(const std::string& object, HttpAnswer answer, Range range);

  S3Client client_;
  const std::stop_token stop_;
  const std::string nonce_;  // of this store's claims and probe
  std::mutex mutex_;
  std::optional<bool> atomic_;
  std::mutex claiming_;
  std::atomic<bool> removes_at_once_ = true;
};

}  // namespace duckback
