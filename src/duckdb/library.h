#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>

namespace duckback {

namespace fs = std::filesystem;

// What we use of DuckDB's stable C API (duckdb.h), declared by hand so that one binary works with
// every library from 1.1 on. https://duckdb.org/docs/stable/clients/c/api
namespace duckdb_api {
using Handle = void*;
enum State : int { kSuccess = 0, kError = 1 };
constexpr int kTypeVarchar = 17;

// Only internal_data is still in use; the library defines the size.
struct Result {
  std::uint64_t unused_numbers[3];
  void* unused_pointers[2];
  void* internal_data;
};
// A value of a VARCHAR vector: at most 12 bytes lie inside it, else 4 of them and a pointer.
struct alignas(8) String {
  std::uint32_t bytes;
  char rest[12];

  const char* data() const {
    if (bytes <= sizeof rest) return rest;
    const char* pointer;
    std::memcpy(&pointer, rest + 4, sizeof pointer);
    return pointer;
  }
};
static_assert(sizeof(String) == 16);
}  // namespace duckdb_api

// A DuckDB library, loaded for as long as this process lives: one version a process.
class Library {
 public:
  // `given` "": $DUCKBACK_LIBDUCKDB, then libduckdb.so next to this program, then the system's.
  // Throws Errc::unsupported if there is none, or none that can be used.
  static Library load(const fs::path& given);

  fs::path path;
  std::string version;  // "v1.5.6"

  // The names of duckdb.h without their prefix.
  int (*create_config)(duckdb_api::Handle*);
  int (*set_config)(duckdb_api::Handle, const char*, const char*);
  void (*destroy_config)(duckdb_api::Handle*);
  int (*open_ext)(const char*, duckdb_api::Handle*, duckdb_api::Handle, char**);
  void (*close)(duckdb_api::Handle*);
  int (*connect)(duckdb_api::Handle, duckdb_api::Handle*);
  void (*disconnect)(duckdb_api::Handle*);
  int (*query)(duckdb_api::Handle, const char*, duckdb_api::Result*);
  void (*destroy_result)(duckdb_api::Result*);
  const char* (*result_error)(duckdb_api::Result*);
  std::uint64_t (*column_count)(duckdb_api::Result*);
  int (*column_type)(duckdb_api::Result*, std::uint64_t);
  duckdb_api::Handle (*fetch_chunk)(duckdb_api::Result);
  std::uint64_t (*data_chunk_get_size)(duckdb_api::Handle);
  duckdb_api::Handle (*data_chunk_get_vector)(duckdb_api::Handle, std::uint64_t);
  void (*destroy_data_chunk)(duckdb_api::Handle*);
  void* (*vector_get_data)(duckdb_api::Handle);
  std::uint64_t* (*vector_get_validity)(duckdb_api::Handle);
  void (*free)(void*);

 private:
  Library() = default;
};

}  // namespace duckback
