#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"

namespace duckback {

// Part of an object; one that reaches behind the end is Errc::damaged, and so is one of more than
// kMost, before memory is taken for it.
struct Range {
  static constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
  std::uint64_t offset = 0;
  std::uint64_t bytes = kAll;  // kAll: to the end
  // The object's name ends in the BLAKE3 of its bytes, and it will be needed again: it may come
  // from a cache, even if it is gone by now.
  bool lasting = false;
};

struct ObjectInfo {
  std::string key;
  std::uint64_t bytes = 0;
  SystemTime modified{};  // by the store's own clock
  std::string tag{};      // another one once the object is replaced; "" where the store has none
};

// An object that is sent in parts, in any order, and appears whole when it is completed. Safe to
// call from many threads, until complete(). What was not completed is removed when it goes, as far
// as the store can be reached; drop_uploads() removes what was left.
class Upload {
 public:
  static constexpr std::size_t kPartsMost = 10'000;
  virtual ~Upload() = default;
  // The part of that number, from 0. All but the last are of one size, of 5 MiB at least; one that
  // is sent again takes the place of what was sent before.
  virtual void put_part(std::size_t number, ByteView bytes) = 0;
  // Whether that part is there with these bytes, from before the upload was resumed.
  virtual bool has_part(std::size_t, ByteView) { return false; }
  // How many parts may be there from before; it cannot be completed with fewer.
  virtual std::size_t parts_before() const { return 0; }
  // Makes the object of all parts, of which none may be missing before the last, in place of one
  // that was there.
  virtual ObjectInfo complete() = 0;
  // With what Store::resume_upload() goes on with it; empty: nobody can.
  virtual std::string token() const { return ""; }
};

// A flat namespace of immutable objects: a directory, a bucket, a map in memory. Keys are
// relative paths of letters, digits, '.', '_' and '-', parted by '/'. No key may be a folder of
// another; what looks like a folder is no object.
//
// Safe to call from many threads. When put() returns, the object is complete, durable and visible
// to get() and list(); if it throws, the object is either complete or absent, never partial.
// Errors: Errc::unavailable for what may work when tried again, Errc::no_space, else Errc::io;
// Errc::invalid for what is no key.
class Store {
 public:
  virtual ~Store() = default;
  // What messages call it: a path or an address.
  virtual std::string name() const = 0;
  // Replaces an object of that key. (Most keys name their content or are random.)
  virtual void put(std::string_view key, ByteView bytes) = 0;
  // Like put(), but throws Errc::conflict if `key` exists; of several at once one succeeds.
  virtual void create(std::string_view key, ByteView bytes) = 0;
  // Throws Errc::not_found.
  virtual Bytes get(std::string_view key, Range range = {}) = 0;
  // Calls `visit` once per object whose key begins with `prefix`, in byte order of the keys.
  // Objects that come, go or are replaced meanwhile may be in it or not. `visit` may use the
  // store; what it throws ends the listing and comes through.
  virtual void list(std::string_view prefix,
                    const std::function<void(const ObjectInfo&)>& visit) = 0;
  // The same for those with no further '/' in their key behind `prefix`.
  virtual void list_folder(std::string_view prefix,
                           const std::function<void(const ObjectInfo&)>& visit);
  // Whether there is an object of that key.
  virtual bool exists(std::string_view key);
  // Removing what is not there is success. A crash of the machine soon after may undo it.
  virtual void remove(std::string_view key) = 0;
  // The same, but even a stop leaves it one try: to clean up.
  virtual void remove_anyway(std::string_view key) { remove(key); }
  // Removes up to kRemovedAtOnceMost with one request where there is such a one; returns those that
  // are left. See remove_all().
  static constexpr std::size_t kRemovedAtOnceMost = 1000;
  virtual std::vector<std::string> remove_at_once(std::span<const std::string> keys);
  // A large object, seen by get() and list() once it is completed. One upload of a key at a time.
  virtual std::unique_ptr<Upload> begin_upload(std::string_view key);
  // Goes on with an upload that was not completed, whose process is no more, and drops others of
  // that key. Null, and drops none, if it is gone, cannot be looked at, or was begun otherwise than
  // one would be now.
  virtual std::unique_ptr<Upload> resume_upload(std::string_view key, const std::string& token);
  // Removes all parts of uploads of that key which were not completed. Who made them must not be
  // at it any more.
  virtual void drop_uploads(std::string_view key);
  // Removes what is no object and processes left that were killed while they made one, written
  // before `before` by the store's clock. Returns how much.
  virtual std::size_t remove_leftovers(SystemTime before);
  // Whether each request takes a round trip, and a listing one for each thousand objects.
  virtual bool is_remote() const { return false; }
};

// Whether it has the form of a key (see above).
bool is_key(std::string_view key);
// Throws Errc::invalid for what is no key, or what no key begins with: nothing from outside
// becomes a path.
void check_key(std::string_view key);
void check_prefix(std::string_view prefix);
// Calls `body`, which asks `store`, with each number below `count`: of a remote one eight at a
// time.
void for_each_at_once(const Store& store, std::size_t count,
                      const std::function<void(std::size_t number)>& body);
// As Store::remove(), of many, with as few requests as the store has; if it throws, some of them
// may be gone.
void remove_all(Store& store, std::span<const std::string> keys);
// Of credentials that may add objects but remove none: who may prune removes what they leave.
void remove_if_allowed(Store& store, std::string_view key);
// How many bytes `range` takes of an object of `object_bytes`. Throws Errc::damaged (see Range).
std::uint64_t bytes_in_range(std::string_view key, std::uint64_t object_bytes, Range range);

}  // namespace duckback
