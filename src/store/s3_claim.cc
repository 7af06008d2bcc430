#include "store/s3_claim.h"

#include <condition_variable>
#include <mutex>
#include <random>
#include <vector>

#include "base/error.h"
#include "store/s3_listing.h"

namespace duckback {
namespace {

using Clock = std::chrono::steady_clock;

// One that was not listed so soon is put again before it is relied on.
constexpr std::chrono::seconds kUse{60};

void put_claim(S3Client& client, const std::string& claim) {
  client.send_ok({.method = "PUT", .object = claim, .permission = "s3:PutObject"});
}

void remove_claim(S3Client& client, const std::string& claim) {
  S3Request request{
      .method = "DELETE", .object = claim, .despite_stop = true, .permission = "s3:DeleteObject"};
  S3Answer answer = client.send(request);
  if (!answer.ok() && answer.http.status != 404) client.fail(request, answer);
}

// The claims of others that count.
std::vector<std::string> others_in(S3Client& client, const std::string& folder,
                                   const std::string& own, std::chrono::seconds dead) {
  std::vector<ObjectInfo> found;
  list_objects(client, folder, Depth::all,
               [&](const ObjectInfo& object) { found.push_back(object); });
  SystemTime now;  // by the server's clock
  for (const ObjectInfo& each : found) now = std::max(now, each.modified);
  std::vector<std::string> others;
  for (const ObjectInfo& each : found) {
    if (each.key == own) continue;
    if (now - each.modified < dead) {
      others.push_back(each.key);
    } else {
      remove_claim(client, each.key);
    }
  }
  return others;
}

void wait(const std::stop_token& stop) {
  std::random_device random;
  std::chrono::milliseconds time(std::uniform_int_distribution(30, 150)(random));
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(lock, stop, time, [] { return false; });
  if (stop.stop_requested()) throw Interrupted();
}

// Returns once the claim is the only one.
void win(S3Client& client, const std::string& folder, const std::string& claim,
         const std::stop_token& stop, ClaimTimes times) {
  for (Clock::time_point deadline = Clock::now() + times.patience;;) {
    Clock::time_point began = Clock::now();
    put_claim(client, claim);
    std::vector<std::string> others = others_in(client, folder, claim, times.dead);
    bool in_time = Clock::now() - began < kUse;
    if (others.empty() && in_time) return;
    bool gives_way = !others.empty() && others.front() < claim;
    bool too_late = Clock::now() > deadline;
    if (gives_way || too_late) remove_claim(client, claim);
    if (too_late) {
      throw Error(Errc::unavailable,
                  "somebody else is creating the same object, or died doing so: {} counts for {}",
                  client.url_of(others.empty() ? claim : others.front()),
                  format_duration(times.dead));
    }
    wait(stop);
  }
}

}  // namespace

void with_claim(S3Client& client, const std::string& folder, const std::string& nonce,
                const std::stop_token& stop, const std::function<void()>& body, ClaimTimes times) {
  std::string claim = folder + nonce;
  win(client, folder, claim, stop, times);
  try {
    body();
  } catch (const Error& error) {
    if (error.code() != Errc::unavailable) remove_claim(client, claim);
    throw;
  }
  remove_claim(client, claim);
}

}  // namespace duckback
