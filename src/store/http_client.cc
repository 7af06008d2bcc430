#include "store/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "store/libcurl.h"

namespace duckback {
namespace {

// However slowly it goes, a transfer ends: this many bytes a second are expected in the long run.
constexpr std::uint64_t kSlowest = 16 << 10;
constexpr std::size_t kHeadersMost = 64 << 10;

struct Libcurl {
  Libcurl() {
    auto* start = find<decltype(curl_global_init)>("curl_global_init");
    if (start(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw Error(Errc::io, "libcurl does not start");
  }
  decltype(curl_easy_init)* easy_init = find<decltype(curl_easy_init)>("curl_easy_init");
  decltype(curl_easy_cleanup)* easy_cleanup =
      find<decltype(curl_easy_cleanup)>("curl_easy_cleanup");
  decltype(curl_easy_reset)* easy_reset = find<decltype(curl_easy_reset)>("curl_easy_reset");
  decltype(curl_easy_setopt)* easy_setopt = find<decltype(curl_easy_setopt)>("curl_easy_setopt");
  decltype(curl_easy_perform)* easy_perform =
      find<decltype(curl_easy_perform)>("curl_easy_perform");
  decltype(curl_easy_getinfo)* easy_getinfo =
      find<decltype(curl_easy_getinfo)>("curl_easy_getinfo");
  decltype(curl_easy_strerror)* easy_strerror =
      find<decltype(curl_easy_strerror)>("curl_easy_strerror");
  decltype(curl_slist_append)* slist_append =
      find<decltype(curl_slist_append)>("curl_slist_append");
  decltype(curl_slist_free_all)* slist_free_all =
      find<decltype(curl_slist_free_all)>("curl_slist_free_all");
  decltype(curl_share_init)* share_init = find<decltype(curl_share_init)>("curl_share_init");
  decltype(curl_share_setopt)* share_setopt =
      find<decltype(curl_share_setopt)>("curl_share_setopt");
  decltype(curl_share_cleanup)* share_cleanup =
      find<decltype(curl_share_cleanup)>("curl_share_cleanup");
  decltype(curl_getdate)* getdate = find<decltype(curl_getdate)>("curl_getdate");

 private:
  template <class Function>
  static Function* find(const char* name) {
    return reinterpret_cast<Function*>(find_in_libcurl(name));
  }
};

const Libcurl& libcurl() {
  static const Libcurl curl;
  return curl;
}

struct EasyDeleter {
  void operator()(CURL* easy) const { libcurl().easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;

struct ListDeleter {
  void operator()(curl_slist* list) const { libcurl().slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDeleter>;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void trust_environment(HttpOptions& options) {
  for (const char* name : {"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (options.ca_file.empty()) options.ca_file = variable(name);
  }
  if (options.ca_folder.empty()) options.ca_folder = variable("SSL_CERT_DIR");
}

// "https://host:port", for messages: the rest of an address may say more than it should.
std::string origin_of(const std::string& url) {
  std::size_t mark = url.find("://");
  return url.substr(0, mark == url.npos ? 0 : url.find_first_of("/?", mark + 3));
}

// What libcurl tells while it works.
struct Exchange {
  const HttpRequest& request;
  const std::stop_token& stop;
  HttpAnswer answer;
  std::size_t header_bytes = 0;
  bool head_ended = false;
  bool length_known = false;
  bool out_of_memory = false;

  // For libcurl a connection that closes within the headers, or before a body without length, is
  // the end of an answer like any other.
  bool is_whole(int status) const {
    bool has_body = request.method != "HEAD" && status != 204 && status != 304;
    return head_ended && (length_known || !has_body);
  }
};

std::size_t take_header(char* text, std::size_t, std::size_t bytes, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  HttpAnswer& answer = exchange.answer;
  std::string_view line(text, bytes);
  exchange.header_bytes += bytes;
  if (exchange.header_bytes > kHeadersMost) return 0;
  if (line.starts_with("HTTP/")) {
    answer.headers.clear();  // What came before was only an announcement (100, a proxy's 200).
    answer.length.reset();
    exchange.head_ended = false;
    exchange.length_known = line.starts_with("HTTP/2") || line.starts_with("HTTP/3");
    return bytes;
  }
  if (line == "\r\n" || line == "\n") exchange.head_ended = true;
  std::size_t colon = line.find(':');
  if (colon == line.npos) return bytes;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front()))) {
    value.remove_prefix(1);
  }
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back()))) {
    value.remove_suffix(1);
  }
  if (name == "content-length") {
    std::uint64_t length = 0;
    if (std::from_chars(value.begin(), value.end(), length).ptr == value.end()) {
      answer.length = length;
    }
  }
  exchange.length_known |= name == "content-length" || name == "transfer-encoding";
  answer.headers.emplace_back(std::move(name), value);
  return bytes;
}

std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  HttpAnswer& answer = exchange.answer;
  std::uint64_t most = exchange.request.answer_most;
  if (answer.length.value_or(0) > most || count > most - answer.body.size()) {
    answer.body_left_out = true;
    return 0;
  }
  try {
    if (answer.body.empty() && answer.length) answer.body.reserve(*answer.length);
    answer.body.insert(answer.body.end(), bytes, bytes + count);
  } catch (const std::bad_alloc&) {
    exchange.out_of_memory = true;  // It must not pass through C.
    return 0;
  }
  return count;
}

int look_at_stop(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& exchange = *static_cast<Exchange*>(user);
  return exchange.stop.stop_requested() && !exchange.request.despite_stop ? 1 : 0;
}

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  CURLcode code = libcurl().easy_setopt(easy, option, value);
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (code != CURLE_OK)
    throw Error(Errc::unsupported, "libcurl: {}", libcurl().easy_strerror(code));
}

void set_timeouts(CURL* easy, const HttpRequest& request, const HttpOptions& options) {
  auto whole_seconds = [](std::chrono::milliseconds time) {
    return static_cast<long>(std::max<std::int64_t>(1, time.count() / 1000));
  };
  std::uint64_t bytes = std::max<std::uint64_t>(request.body.size(), request.answer_most);
  auto longest = options.connect_timeout + 2 * options.stalled_timeout +
                 std::chrono::seconds(std::min(bytes, std::uint64_t{1} << 40) / kSlowest);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(easy, CURLOPT_LOW_SPEED_TIME, whole_seconds(options.stalled_timeout));
  set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(longest / std::chrono::milliseconds(1)));
}

void set_transport(CURL* easy, const HttpRequest& request, const HttpOptions& options) {
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
  set(easy, CURLOPT_BUFFERSIZE, 256L << 10);
  if (!options.ca_file.empty()) set(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  if (!options.ca_folder.empty()) set(easy, CURLOPT_CAPATH, options.ca_folder.c_str());
  if (request.past_proxy) set(easy, CURLOPT_NOPROXY, "*");
  if (request.once) set(easy, CURLOPT_FRESH_CONNECT, 1L);
}

List set_message(CURL* easy, const HttpRequest& request) {
  set(easy, CURLOPT_URL, request.url.c_str());
  if (request.method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET") {
    if (request.method != "DELETE" || !request.body.empty()) {
      set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(easy, CURLOPT_POSTFIELDS, reinterpret_cast<const char*>(request.body.data()));
      if (request.body.empty()) set(easy, CURLOPT_POSTFIELDS, "");
    }
    set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  List list;
  auto add = [&](const std::string& line) {
    curl_slist* longer = libcurl().slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)list.release();
    list.reset(longer);
  };
  for (const auto& [name, value] : request.headers) {
    add(value.empty() ? name + ';' : name + ": " + value);
  }
  // What libcurl would add by itself and was not signed.
  if (header_of(request.headers, "content-type").empty()) add("content-type:");
  set(easy, CURLOPT_HTTPHEADER, list.get());
  return list;
}

[[noreturn]] void throw_failure(CURLcode code, const std::string& url, const char* detail) {
  std::string where = origin_of(url);
  std::string why = *detail != '\0' ? detail : libcurl().easy_strerror(code);
  switch (code) {
    case CURLE_OUT_OF_MEMORY:
      throw std::bad_alloc();
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      throw Error(Errc::invalid, "'{}' is no address: {}", where, why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      throw Error(Errc::refused,
                  "{} is not trusted: {}; if it is yours, name its certificate authority's file in "
                  "AWS_CA_BUNDLE",
                  where, why);
    case CURLE_SSL_CACERT_BADFILE:
      throw Error(Errc::refused, "the certificate authorities cannot be read: {}", why);
    default:
      throw Error(Errc::unavailable, "{} does not answer: {}", where, why);
  }
}

}  // namespace

// Idle handles, each with its connections; the last one used is the next, so that few stay open.
struct HttpClient::Pool {
  HttpOptions options;
  std::stop_token stop;
  std::mutex mutex;
  std::vector<Easy> idle;
  // What handles share: names that were looked up, and sessions of TLS.
  CURLSH* shared = nullptr;
  std::array<std::mutex, CURL_LOCK_DATA_LAST> shared_mutexes;

  Pool() : shared(libcurl().share_init()) {
    if (shared == nullptr) throw std::bad_alloc();
    libcurl().share_setopt(shared, CURLSHOPT_USERDATA, this);
    libcurl().share_setopt(shared, CURLSHOPT_LOCKFUNC, &Pool::lock);
    libcurl().share_setopt(shared, CURLSHOPT_UNLOCKFUNC, &Pool::unlock);
    libcurl().share_setopt(shared, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    libcurl().share_setopt(shared, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  }
  ~Pool() {
    idle.clear();
    libcurl().share_cleanup(shared);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  static void lock(CURL*, curl_lock_data data, curl_lock_access, void* user) {
    static_cast<Pool*>(user)->shared_mutexes.at(data).lock();
  }
  static void unlock(CURL*, curl_lock_data data, void* user) {
    static_cast<Pool*>(user)->shared_mutexes.at(data).unlock();
  }

  Easy take() {
    {
      std::lock_guard guard(mutex);
      if (!idle.empty()) {
        Easy easy = std::move(idle.back());
        idle.pop_back();
        return easy;
      }
    }
    Easy easy(libcurl().easy_init());
    if (!easy) throw std::bad_alloc();
    return easy;
  }
  void give_back(Easy easy) {
    libcurl().easy_reset(easy.get());  // The connections stay.
    std::lock_guard guard(mutex);
    idle.push_back(std::move(easy));
  }
};

HttpClient::HttpClient(HttpOptions options, std::stop_token stop) {
  libcurl();
  pool_ = std::make_unique<Pool>();
  trust_environment(options);
  pool_->options = std::move(options);
  pool_->stop = std::move(stop);
}

HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::send(const HttpRequest& request) {
  if (pool_->stop.stop_requested() && !request.despite_stop) throw Interrupted();
  Easy easy = pool_->take();
  CURL* raw = easy.get();
  std::array<char, CURL_ERROR_SIZE> detail{};
  Exchange exchange{.request = request, .stop = pool_->stop, .answer = {}};
  set(raw, CURLOPT_SHARE, pool_->shared);
  set(raw, CURLOPT_ERRORBUFFER, detail.data());
  set_transport(raw, request, pool_->options);
  set_timeouts(raw, request, pool_->options);
  List headers = set_message(raw, request);
  set(raw, CURLOPT_HEADERFUNCTION, &take_header);
  set(raw, CURLOPT_HEADERDATA, &exchange);
  set(raw, CURLOPT_WRITEFUNCTION, &take_body);
  set(raw, CURLOPT_WRITEDATA, &exchange);
  set(raw, CURLOPT_NOPROGRESS, 0L);
  set(raw, CURLOPT_XFERINFOFUNCTION, &look_at_stop);
  set(raw, CURLOPT_XFERINFODATA, &exchange);

  CURLcode code = libcurl().easy_perform(raw);
  long status = 0;
  libcurl().easy_getinfo(raw, CURLINFO_RESPONSE_CODE, &status);
  // One that failed may still hold buffers, whose size libcurl then refuses to set again.
  if (code == CURLE_OK) pool_->give_back(std::move(easy));
  if (code == CURLE_ABORTED_BY_CALLBACK) throw Interrupted();
  if (exchange.out_of_memory) throw std::bad_alloc();
  HttpAnswer& answer = exchange.answer;
  if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && answer.body_left_out)) {
    throw_failure(code, request.url, detail.data());
  }
  answer.status = static_cast<int>(status);
  if (!exchange.is_whole(answer.status)) {
    throw Error(Errc::unavailable, "{} does not say how long its answer is, or broke it off",
                origin_of(request.url));
  }
  return std::move(answer);
}

std::optional<std::chrono::system_clock::time_point> parse_http_date(std::string_view text) {
  time_t time = libcurl().getdate(std::string(text).c_str(), nullptr);
  if (time == -1) return std::nullopt;
  return std::chrono::system_clock::from_time_t(time);
}

}  // namespace duckback
