#include "store/s3_client.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "store/s3_xml.h"

namespace duckback {
namespace {

// Servers accept clocks that differ by 15 minutes.
constexpr std::chrono::minutes kClockDiffers{5};
constexpr std::size_t kMessageMost = 300;

template <std::size_t Count>
bool is_one_of(std::string_view code, const std::array<std::string_view, Count>& codes) {
  return std::ranges::find(codes, code) != codes.end();
}

// Refusals that other keys, or a new token, may end.
bool concerns_credentials(const S3Answer& answer) {
  constexpr std::array<std::string_view, 6> codes = {"AccessDenied",       "ExpiredToken",
                                                     "InvalidToken",       "TokenRefreshRequired",
                                                     "InvalidAccessKeyId", "RequestExpired"};
  return answer.http.status == 403 || answer.http.status == 401 || is_one_of(answer.code, codes);
}

// What may work when tried again, by the server's own account.
bool may_pass(const S3Answer& answer) {
  constexpr std::array<std::string_view, 13> codes = {"SlowDown",
                                                      "RequestTimeout",
                                                      "InternalError",
                                                      "ServiceUnavailable",
                                                      "Throttling",
                                                      "ThrottlingException",
                                                      "RequestLimitExceeded",
                                                      "OperationAborted",
                                                      "ConditionalRequestConflict",
                                                      "BadDigest",
                                                      "XAmzContentSHA256Mismatch",
                                                      "IncompleteBody",
                                                      "NoSuchUpload"};
  int status = answer.http.status;
  return (status >= 500 && status != 501 && status != 505 && status != 507) || status == 408 ||
         status == 409 || status == 429 || is_one_of(answer.code, codes);
}

Traffic traffic_of(const S3Request& request) {
  Traffic traffic{.bytes_sent = request.body.size()};
  bool is_listing = request.object.empty();
  bool removes_many = !request.query.empty() && request.query.front().first == "delete";
  if (request.method == "DELETE" || removes_many) {
    traffic.delete_requests = 1;
  } else if (!is_listing && (request.method == "GET" || request.method == "HEAD")) {
    traffic.read_requests = 1;
  } else {
    traffic.write_requests = 1;
  }
  return traffic;
}

bool is_full(const S3Answer& answer) {
  constexpr std::array<std::string_view, 4> codes = {"QuotaExceeded", "XMinioStorageFull",
                                                     "InsufficientStorage", "StorageFull"};
  return answer.http.status == 507 || is_one_of(answer.code, codes);
}

std::string words_of(const S3Answer& answer) {
  std::string words = fmt::format("HTTP status {}", answer.http.status);
  if (!answer.code.empty()) words += " " + answer.code;
  if (!answer.message.empty()) words += ": " + answer.message;
  return printable(words.substr(0, kMessageMost));
}

void read_error(S3Answer& answer) {
  const Bytes& body = answer.http.body;
  std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  if (text.find("<Error") == text.npos) return;
  try {
    XmlElement root = parse_xml(body);
    answer.code = root.text_of("Code");
    answer.message = root.text_of("Message");
  } catch (const Error& error) {
    if (error.code() != Errc::unavailable) throw;  // Some proxy's page: the status has to do.
  }
}

}  // namespace

S3Client::S3Client(S3Location location, AwsConfig config, HttpOptions http, std::stop_token stop)
    : location_(std::move(location)),
      http_(std::make_shared<HttpClient>(std::move(http), stop)),
      credentials_(config, http_, stop),
      address_(location_, config) {
  if (location_.options.unsigned_payload && !address_.is_encrypted()) {
    throw Error(Errc::invalid, "{}: unsigned_payload needs https://", url_of(""));
  }
}

std::string S3Client::url_of(const std::string& object) const {
  return fmt::format("s3://{}/{}", location_.bucket, object);
}

S3Address S3Client::address() {
  std::lock_guard lock(mutex_);
  return address_;
}

bool S3Client::is_aws() { return address().is_aws(); }

S3Answer S3Client::send(const S3Request& request) {
  bool moved = false;
  bool clock_set = false;
  bool renewed = false;
  for (;;) {
    S3Address where = address();
    Credentials signer = credentials_.get();
    S3Answer answer = send_once(request, where, signer);
    if (answer.ok()) return answer;
    if (!moved && adopt_region(answer, where)) {
      moved = true;
    } else if (!clock_set && adopt_clock(answer)) {
      clock_set = true;
    } else if (!renewed && concerns_credentials(answer) && credentials_.renew(signer)) {
      renewed = true;
    } else {
      return answer;
    }
  }
}

HttpAnswer S3Client::send_ok(const S3Request& request) {
  S3Answer answer = send(request);
  if (!answer.ok()) fail(request, answer);
  return std::move(answer.http);
}

S3Answer S3Client::send_once(const S3Request& request, const S3Address& address,
                             const Credentials& signer) {
  AwsRequest aws{.method = request.method,
                 .path = address.path_of(request.object),
                 .query = request.query,
                 .headers = request.headers,
                 .payload_hash = {}};
  bool hashed = !location_.options.unsigned_payload || request.body.empty();
  aws.payload_hash = hashed ? sha256_hex(request.body) : std::string(kUnsignedPayload);
  aws.headers.emplace_back("host", address.host());
  aws.headers.emplace_back("x-amz-content-sha256", aws.payload_hash);
  SystemTime now = std::chrono::system_clock::now() + std::chrono::seconds(clock_ahead_s_);
  sign(aws, signer, {.time = now, .region = address.region(), .service = "s3"});
  traffic_.add(traffic_of(request));
  S3Answer answer;
  answer.http = http_->send({.method = request.method,
                             .url = address.origin() + encoded_target(aws),
                             .headers = std::move(aws.headers),
                             .body = request.body,
                             .answer_most = request.answer_most,
                             .once = request.once,
                             .despite_stop = request.despite_stop});
  traffic_.add({.bytes_received = answer.http.body.size()});
  if (!answer.ok()) read_error(answer);
  return answer;
}

bool S3Client::adopt_region(const S3Answer& answer, const S3Address& asked) {
  int status = answer.http.status;
  if (status != 301 && status != 307 && status != 400 && status != 403) return false;
  std::string region(header_of(answer.http.headers, "x-amz-bucket-region"));
  if (region.empty() && answer.code == "AuthorizationHeaderMalformed") {
    region = parse_xml(answer.http.body).text_of("Region");
  }
  if (!is_region(region) || region == asked.region()) return false;
  std::lock_guard lock(mutex_);
  address_ = asked.in_region(region);
  return true;
}

bool S3Client::adopt_clock(const S3Answer& answer) {
  bool may_be = answer.code == "RequestTimeTooSkewed" ||
                (answer.code.empty() && answer.http.status == 403);  // HEAD has no code.
  if (!may_be) return false;
  std::optional<SystemTime> theirs = parse_http_date(header_of(answer.http.headers, "date"));
  if (!theirs) return false;
  auto ahead = std::chrono::round<std::chrono::seconds>(*theirs - std::chrono::system_clock::now());
  if (std::chrono::abs(ahead - std::chrono::seconds(clock_ahead_s_)) < kClockDiffers) return false;
  clock_ahead_s_ = ahead.count();
  return true;
}

void S3Client::fail(const S3Request& request, const S3Answer& answer) {
  std::string what = url_of(request.object);
  int status = answer.http.status;
  if (answer.code == "NoSuchBucket") {
    throw Error(Errc::no_repository,
                "there is no bucket {} at {}: make it with the provider's tools, or name another; "
                "AWS_ENDPOINT_URL_S3 says where to look",
                location_.bucket, address().host());
  }
  if (may_pass(answer)) throw Error(Errc::unavailable, "{}: {}", what, words_of(answer));
  if (is_full(answer)) throw Error(Errc::no_space, "{}: {}", what, words_of(answer));
  if (status == 404) throw Error(Errc::not_found, "there is no {}", what);
  if (status == 412) throw Error(Errc::conflict, "{} exists", what);
  if (status == 501) {
    throw Error(Errc::unsupported, "the server does not offer what {} needs: {}", what,
                words_of(answer));
  }
  if (status == 401 || status == 403 || concerns_credentials(answer)) {
    throw Error(Errc::refused, "{}: {}", what, why_forbidden(request, answer));
  }
  if (status >= 300 && status < 400) {
    throw Error(Errc::refused, "the bucket {} is elsewhere ({}): set AWS_REGION or the endpoint",
                location_.bucket, words_of(answer));
  }
  throw Error(Errc::io, "{}: {}", what, words_of(answer));
}

std::string S3Client::why_forbidden(const S3Request& request, const S3Answer& answer) {
  std::string origin = credentials_.origin();
  const std::string& code = answer.code;
  if (code == "RequestTimeTooSkewed") return "this machine's clock is wrong: " + words_of(answer);
  if (code == "InvalidObjectState") {
    return "the object is archived: thaw it with the provider's tools first";
  }
  if (code == "SignatureDoesNotMatch") {
    return fmt::format("the secret key of {} does not belong to its access key ({})", origin,
                       words_of(answer));
  }
  if (code == "InvalidAccessKeyId" || code == "ExpiredToken" || code == "InvalidToken") {
    return fmt::format("the server does not accept the credentials of {}: {}", origin,
                       words_of(answer));
  }
  return fmt::format("the credentials of {} may not do this; they need {} ({})", origin,
                     request.permission, words_of(answer));
}

}  // namespace duckback
