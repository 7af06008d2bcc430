#include "store/libcurl.h"

#include <dlfcn.h>

#include "base/error.h"

namespace duckback {
namespace {

constexpr const char* kName = "libcurl.so.4";

void* load() {
  void* library = ::dlopen(kName, RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  throw Error(Errc::unsupported,
              "object storage needs {}, which cannot be loaded ({}); install libcurl 4", kName,
              ::dlerror());
}

}  // namespace

void* find_in_libcurl(const char* name) {
  static void* const library = load();
  void* function = ::dlsym(library, name);
  if (function == nullptr) throw Error(Errc::unsupported, "{} has no {}", kName, name);
  return function;
}

}  // namespace duckback
