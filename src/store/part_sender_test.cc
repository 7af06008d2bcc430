#include "store/part_sender.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "store/memory_store.h"

namespace duckback {
namespace {

// The first time that part 1 is put it takes as long as anything may come after it: until it is put
// again, or for a while in which it could be.
class SlowStore : public MemoryStore {
 public:
  std::unique_ptr<Upload> begin_upload(std::string_view key) override {
    return std::make_unique<Slow>(MemoryStore::begin_upload(key));
  }

 private:
  struct Slow : Upload {
    explicit Slow(std::unique_ptr<Upload> upload) : below(std::move(upload)) {}
    void put_part(std::size_t number, ByteView bytes) override {
      if (number == 1) {
        std::unique_lock lock(mutex);
        if (++begun == 1) {
          changed.wait_for(lock, std::chrono::milliseconds(300), [this] { return ended > 0; });
        }
      }
      below->put_part(number, bytes);
      std::lock_guard lock(mutex);
      if (number == 1) ++ended;
      changed.notify_all();
    }
    ObjectInfo complete() override { return below->complete(); }
    std::unique_ptr<Upload> below;
    std::mutex mutex;
    std::condition_variable changed;
    int begun = 0;
    int ended = 0;
  };
};

Bytes part(char letter) { return Bytes(10, static_cast<std::uint8_t>(letter)); }

TEST(PartSenders, TheLastOfAPartIsTheOneThatCounts) {
  SlowStore store;
  PartSender sender(store, "k", 10, 3);
  for (std::size_t number : {0, 1, 2}) sender.send(number, part('a'));
  sender.send(1, part('b'));
  sender.finish()->complete();
  Bytes whole = store.get("k");
  EXPECT_EQ(std::string(whole.begin(), whole.end()), "aaaaaaaaaabbbbbbbbbbaaaaaaaaaa");
}

// What it goes on with, and what it does where it cannot.
class LeftStore : public MemoryStore {
 public:
  std::unique_ptr<Upload> resume_upload(std::string_view key, const std::string& token) override {
    ++resumed;
    if (token != "left") return nullptr;
    return std::make_unique<Left>(MemoryStore::begin_upload(key));
  }
  void drop_uploads(std::string_view) override { ++dropped; }
  int resumed = 0;
  int dropped = 0;

 private:
  struct Left : Upload {
    explicit Left(std::unique_ptr<Upload> upload) : below(std::move(upload)) {
      below->put_part(0, part('a'));
    }
    void put_part(std::size_t number, ByteView bytes) override { below->put_part(number, bytes); }
    bool has_part(std::size_t number, ByteView bytes) override {
      return number == 0 && std::ranges::equal(bytes, part('a'));
    }
    std::size_t parts_before() const override { return 2; }
    ObjectInfo complete() override { return below->complete(); }
    std::unique_ptr<Upload> below;
  };
};

TEST(PartSenders, GoOnWithAnUploadThatWasLeftIfItFits) {
  struct Case {
    std::string token;
    std::size_t parts;
    bool resumed;
  };
  for (const Case& each : {Case{"left", 2, true}, Case{"left", 1, false}, Case{"gone", 2, false}}) {
    SCOPED_TRACE(each.token);
    LeftStore store;
    std::size_t before = 99;
    PartSender sender(store, "k", 10, each.parts,
                      {.left = each.token,
                       .begun = [&](const Upload& upload) { before = upload.parts_before(); }});
    EXPECT_EQ(before, each.resumed ? 2u : 0u);
    EXPECT_EQ(sender.parts_before(), before);
    EXPECT_EQ(store.dropped, each.resumed ? 0 : 1);
  }
  LeftStore fresh;
  PartSender sender(fresh, "k", 10, 2);
  EXPECT_EQ(fresh.resumed + fresh.dropped, 0);
}

}  // namespace
}  // namespace duckback
