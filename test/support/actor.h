#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "store/faulty_store.h"

namespace duckback::test {

// Somebody who works on a store in a thread of its own and stands still before every call that it
// makes (but get(), which changes nothing and shows nothing new), until the test lets it make that
// one: so a test chooses in which order several of them act.
class Actor {
 public:
  struct Call {
    std::string verb;  // "put", "create", "list", "remove"
    std::string key;   // or prefix
  };
  using Body = std::function<void(std::shared_ptr<Store>)>;

  Actor(std::shared_ptr<Store> store, Body body)
      : gate_(std::make_shared<Gate>()),
        thread_([store = std::make_shared<GatedStore>(std::move(store), gate_), gate = gate_,
                 body = std::move(body)]() mutable {
          std::exception_ptr error;
          try {
            body(std::move(store));
          } catch (const std::exception&) {
            error = std::current_exception();
          }
          gate->end(error);
        }) {}
  // What has not ended is killed.
  ~Actor() {
    kill();
    thread_.join();
  }

  // What it is about to do; nothing when it has ended.
  std::optional<Call> next() { return gate_->next(); }
  bool ended() { return !next(); }
  // Lets it make that call. True if there was one.
  bool step() { return gate_->step(); }
  // Until it is about to call this. False if it ended before.
  bool run_until(std::string_view verb, std::string_view key_prefix) {
    for (std::optional<Call> call; (call = next()); step()) {
      if (call->verb == verb && call->key.starts_with(key_prefix)) return true;
    }
    return false;
  }
  // To the end; throws what it threw.
  void finish() {
    while (step()) {
    }
    if (std::exception_ptr error = gate_->error()) std::rethrow_exception(error);
  }
  // This call and all later ones throw DyingStore::Dead.
  void kill() { gate_->kill(); }

 private:
  class Gate {
   public:
    // Waits until it may be done.
    void arrive(std::string_view verb, std::string_view key) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !waiting_ || dead_; });
      if (!dead_) {
        waiting_ = Call{std::string(verb), std::string(key)};
        go_ = false;
        changed_.notify_all();
        changed_.wait(lock, [&] { return go_ || dead_; });
        waiting_.reset();
        changed_.notify_all();
      }
      if (dead_) throw DyingStore::Dead();
    }
    std::optional<Call> next() {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return (waiting_ && !go_) || ended_; });
      return ended_ ? std::nullopt : waiting_;
    }
    bool step() {
      if (!next()) return false;
      std::unique_lock lock(mutex_);
      go_ = true;
      changed_.notify_all();
      // Till it has been done, and what comes next is known.
      changed_.wait(lock, [&] { return (waiting_ && !go_) || ended_; });
      return true;
    }
    void kill() {
      std::lock_guard lock(mutex_);
      dead_ = true;
      changed_.notify_all();
    }
    void end(std::exception_ptr error) {
      std::lock_guard lock(mutex_);
      ended_ = true;
      error_ = error;
      changed_.notify_all();
    }
    std::exception_ptr error() {
      std::lock_guard lock(mutex_);
      return error_;
    }

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Call> waiting_;
    bool go_ = false;
    bool dead_ = false;
    bool ended_ = false;
    std::exception_ptr error_;
  };

  class GatedStore : public Store {
   public:
    GatedStore(std::shared_ptr<Store> store, std::shared_ptr<Gate> gate)
        : store_(std::move(store)), gate_(std::move(gate)) {}
    std::string name() const override { return store_->name(); }
    void put(std::string_view key, ByteView bytes) override {
      gate_->arrive("put", key);
      store_->put(key, bytes);
    }
    void create(std::string_view key, ByteView bytes) override {
      gate_->arrive("create", key);
      store_->create(key, bytes);
    }
    Bytes get(std::string_view key, Range range) override { return store_->get(key, range); }
    void list(std::string_view prefix,
              const std::function<void(const ObjectInfo&)>& visit) override {
      gate_->arrive("list", prefix);
      store_->list(prefix, visit);
    }
    void remove(std::string_view key) override {
      gate_->arrive("remove", key);
      store_->remove(key);
    }

   private:
    std::shared_ptr<Store> store_;
    std::shared_ptr<Gate> gate_;
  };

  std::shared_ptr<Gate> gate_;
  std::thread thread_;
};

}  // namespace duckback::test
