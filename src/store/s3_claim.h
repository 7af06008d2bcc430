#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "store/s3_client.h"

namespace duckback {

// Exclusion by objects alone, for servers that ignore `If-None-Match`: runs `body` while no other
// claimant does so in `folder` ("…/"), of whoever follows this protocol.
//
// A claimant puts an object named by its nonce there, then lists the folder; it goes on only if it
// is alone. Whoever comes later sees it in its own list and does not: so there is never more than
// one, if listings show what was put before (S3, Ceph and MinIO promise that, Swift does not). Of
// several at once the one of the least nonce waits, the others withdraw and come again. What a
// killed claimant leaves holds the others up until it is `dead`.
//
// A claim stays if `body` fails with Errc::unavailable: a request of it may still be on its way.
// The same nonce may try again. Throws Errc::unavailable if it does not come to it in time.
struct ClaimTimes {
  std::chrono::seconds dead{3600};  // far longer than a claimant that lives takes
  std::chrono::seconds patience{30};
};
void with_claim(S3Client& client, const std::string& folder, const std::string& nonce,
                const std::stop_token& stop, const std::function<void()>& body,
                ClaimTimes times = {});

}  // namespace duckback
