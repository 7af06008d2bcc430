#include "store/retrying_store.h"

#include <gmock/gmock.h>

#include <thread>

#include "store/faulty_store.h"
#include "store/memory_store.h"
#include "test/support/error_of.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;
using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

// A store whose next calls go as a list says: 'x' fails before, 'a' after it was carried out.
class ScriptedStore : public Store {
 public:
  explicit ScriptedStore(std::string script) : script_(std::move(script)) {}
  std::string name() const override { return "scripted"; }
  void put(std::string_view key, ByteView bytes) override {
    call([&] { inner.put(key, bytes); });
  }
  void create(std::string_view key, ByteView bytes) override {
    call([&] { inner.create(key, bytes); });
  }
  Bytes get(std::string_view key, Range range) override {
    Bytes bytes;
    call([&] { bytes = inner.get(key, range); });
    return bytes;
  }
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override {
    call([&] { inner.list(prefix, visit); });
  }
  void remove(std::string_view key) override {
    call([&] { inner.remove(key); });
  }
  std::size_t calls() const { return calls_; }

  MemoryStore inner;
  std::function<void()> before_call = [] {};

 private:
  void call(const std::function<void()>& body) {
    char how = calls_ < script_.size() ? script_[calls_] : '.';
    ++calls_;
    before_call();
    if (how != 'x') body();
    if (how != '.') throw Error(Errc::unavailable, "no answer");
  }
  std::string script_;
  std::size_t calls_ = 0;
};

class Retrying : public testing::Test {
 protected:
  RetryingStore& with(const std::string& script, RetryingStore::Policy policy = {}) {
    policy.wait = [this](std::chrono::milliseconds wait) { waits_.push_back(wait); };
    scripted_ = std::make_shared<ScriptedStore>(script);
    store_.emplace(scripted_, policy, stop_.get_token());
    return *store_;
  }
  std::string text(std::string_view key) {
    Bytes bytes = scripted_->inner.get(key);
    return {bytes.begin(), bytes.end()};
  }

  std::stop_source stop_;
  std::vector<std::chrono::milliseconds> waits_;
  std::shared_ptr<ScriptedStore> scripted_;
  std::optional<RetryingStore> store_;
};

TEST_F(Retrying, WhatAnswersAtOnceIsAskedOnce) {
  with("").put("a", as_bytes("x"));
  EXPECT_EQ(scripted_->calls(), 1u);
  EXPECT_TRUE(waits_.empty());
}

TEST_F(Retrying, WaitsDoubleUpToTheLongest) {
  with("xxxxx", {.attempts = 6, .first_wait = 100ms, .longest_wait = 500ms})
      .put("a", as_bytes("x"));
  EXPECT_EQ(text("a"), "x");
  ASSERT_EQ(waits_.size(), 5u);
  std::vector<std::chrono::milliseconds> longest = {100ms, 200ms, 400ms, 500ms, 500ms};
  for (std::size_t i = 0; i < longest.size(); ++i) {
    EXPECT_GE(waits_[i], longest[i] / 2) << i;
    EXPECT_LE(waits_[i], longest[i]) << i;
  }
}

TEST_F(Retrying, GivesUpAfterSoManyAttemptsAndSaysSo) {
  RetryingStore& store = with("xxxxx", {.attempts = 3});
  std::string message = error_of(Errc::unavailable, [&] { store.get("a"); });
  EXPECT_THAT(message, HasSubstr("tried 3 times"));
  EXPECT_THAT(message, HasSubstr("no answer"));
  EXPECT_EQ(scripted_->calls(), 3u);
  EXPECT_EQ(waits_.size(), 2u);
}

TEST_F(Retrying, OtherErrorsAreNotTriedAgain) {
  RetryingStore& store = with("x");
  error_of(Errc::not_found, [&] { store.get("a"); });
  EXPECT_EQ(scripted_->calls(), 2u);
}

TEST_F(Retrying, ACreationWhoseAnswerWasLostIsSuccess) {
  with("a").create("a", as_bytes("mine"));
  EXPECT_EQ(text("a"), "mine");
  with("axx").create("a", as_bytes("mine"));
  EXPECT_EQ(text("a"), "mine");
}

TEST_F(Retrying, ACreationThatSomebodyElseWonIsAConflict) {
  RetryingStore& store = with("x");
  scripted_->inner.put("a", as_bytes("theirs"));
  error_of(Errc::conflict, [&] { store.create("a", as_bytes("mine")); });
  EXPECT_EQ(text("a"), "theirs");
}

TEST_F(Retrying, AConflictAtTheFirstAnswerIsOneEvenWithTheSameBytes) {
  RetryingStore& store = with("");
  scripted_->inner.put("a", as_bytes("same"));
  error_of(Errc::conflict, [&] { store.create("a", as_bytes("same")); });
}

TEST_F(Retrying, AConflictWithWhatIsGoneBeforeItCanBeReadIsAConflict) {
  RetryingStore& store = with("x");
  scripted_->inner.put("a", as_bytes("theirs"));
  scripted_->before_call = [this] {
    if (scripted_->calls() == 3) scripted_->inner.remove("a");
  };
  error_of(Errc::conflict, [&] { store.create("a", as_bytes("mine")); });
}

TEST_F(Retrying, AListThatBreaksOffGoesOnWhereItWas) {
  RetryingStore& store = with("axa");
  for (std::string key : {"1", "2", "3"}) scripted_->inner.put(key, {});
  scripted_->before_call = [this] {
    if (scripted_->calls() == 3) scripted_->inner.put("4", {});
  };
  std::vector<std::string> seen;
  store.list("", [&](const ObjectInfo& object) { seen.push_back(object.key); });
  EXPECT_THAT(seen, ElementsAre("1", "2", "3", "4"));
  EXPECT_EQ(scripted_->calls(), 4u);
}

TEST_F(Retrying, AStopEndsTheTrying) {
  RetryingStore& store = with("xxx");
  scripted_->before_call = [this] {
    if (scripted_->calls() == 2) stop_.request_stop();
  };
  EXPECT_THROW(store.put("a", {}), Interrupted);
  EXPECT_EQ(scripted_->calls(), 2u);
}

TEST_F(Retrying, AfterAStopWhatAnswersAtOnceStillWorks) {
  RetryingStore& store = with("");
  stop_.request_stop();
  store.put("a", as_bytes("x"));
  EXPECT_EQ(text("a"), "x");
}

TEST_F(Retrying, AStopLeavesWhatCleansUpOneTry) {
  RetryingStore& store = with("xx");
  scripted_->inner.put("a", {});
  scripted_->before_call = [this] {
    if (scripted_->calls() == 2) stop_.request_stop();
  };
  store.remove_anyway("a");
  EXPECT_EQ(scripted_->calls(), 3u);
  error_of(Errc::not_found, [&] { scripted_->inner.get("a"); });
}

TEST_F(Retrying, AStopEndsAWait) {
  auto scripted = std::make_shared<ScriptedStore>("x");
  RetryingStore store(scripted, {.first_wait = 24h, .longest_wait = 24h}, stop_.get_token());
  std::jthread other;
  scripted->before_call = [&] { other = std::jthread([this] { stop_.request_stop(); }); };
  EXPECT_THROW(store.put("a", {}), Interrupted);
}

}  // namespace
}  // namespace duckback
