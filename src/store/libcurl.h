#pragma once

namespace duckback {

// A function of libcurl, which is loaded when the first one is asked for: with the forty libraries
// that it needs that takes 5 ms, which is more than all else that a backup of an untouched database
// into a folder does. Throws Errc::unsupported if there is none.
void* find_in_libcurl(const char* name);

}  // namespace duckback
