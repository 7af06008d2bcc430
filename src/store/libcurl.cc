#include "store/libcurl.h"

#include <dlfcn.h>

#include "base/error.h"

namespace duckback {
namespace {

constexpr const char* kName = "libcurl.so.4";

Libcurl load() {
  void* library = ::dlopen(kName, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Error(Errc::unsupported,
                "object storage needs {}, which cannot be loaded ({}); install libcurl 4", kName,
                ::dlerror());
  }
  auto find = [&](const char* name, auto& function) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (function == nullptr) throw Error(Errc::unsupported, "{} has no {}", kName, name);
  };
  Libcurl curl{};
  find("curl_global_init", curl.global_init);
  find("curl_easy_init", curl.easy_init);
  find("curl_easy_cleanup", curl.easy_cleanup);
  find("curl_easy_reset", curl.easy_reset);
  find("curl_easy_setopt", curl.easy_setopt);
  find("curl_easy_perform", curl.easy_perform);
  find("curl_easy_getinfo", curl.easy_getinfo);
  find("curl_easy_strerror", curl.easy_strerror);
  find("curl_slist_append", curl.slist_append);
  find("curl_slist_free_all", curl.slist_free_all);
  find("curl_share_init", curl.share_init);
  find("curl_share_setopt", curl.share_setopt);
  find("curl_share_cleanup", curl.share_cleanup);
  find("curl_getdate", curl.getdate);
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    throw Error(Errc::io, "libcurl does not start");
  }
  return curl;
}

}  // namespace

const Libcurl& libcurl() {
  static const Libcurl curl = load();
  return curl;
}

}  // namespace duckback
