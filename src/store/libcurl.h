#pragma once

#include <curl/curl.h>

namespace duckback {

// libcurl, loaded when it is first asked for: with the forty libraries that it needs that takes 5
// ms, which is more than all else that a backup of an untouched database into a folder does.
struct Libcurl {
  decltype(&curl_global_init) global_init;
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_easy_reset) easy_reset;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
  decltype(&curl_share_init) share_init;
  decltype(&curl_share_setopt) share_setopt;
  decltype(&curl_share_cleanup) share_cleanup;
  decltype(&curl_getdate) getdate;
};

// Initialised, and there to the end. Throws Errc::unsupported if it cannot be loaded.
const Libcurl& libcurl();

}  // namespace duckback
