#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/calendar_span.h"

// Which of a series of copies (or snapshots) a keep policy keeps, and why. Pure: it knows times and
// names, not files.

namespace duckback {

inline constexpr int kUnlimited = -1;

// The rules are ORed: what any of them keeps is kept. Each counting rule divides time at natural
// boundaries (the hour, the day, the ISO week that begins on Monday, the month, the year) of this
// machine's time zone, keeps the newest item of each of the last N periods, and counts only periods
// that hold one. A rule that has fewer periods than it may keep also keeps the oldest item of all,
// so that a young series does not lose its beginning.
struct KeepPolicy {
  int last = 0;
  int hourly = 0;
  int daily = 0;
  int weekly = 0;
  int monthly = 0;
  int yearly = 0;
  // Keeps what is younger than this, measured from the newest item, not from now: a series that
  // stopped growing does not melt away.
  std::optional<CalendarSpan> within{};
  // Keeps what has one of these.
  std::vector<std::string> tags{};

  bool empty() const;
};

struct RetentionItem {
  std::string id;     // unique; orders items of equal time
  std::string group;  // every group is judged alone
  SystemTime time;
  std::vector<std::string> tags{};
};

struct Verdict {
  bool keep = false;
  std::vector<std::string> reasons;  // "daily", "oldest weekly", "within 7d", "tag x"
};

// One verdict an item, in the order given. Items dated after `now` are kept, and no rule counts
// them: one wrong clock must not push out the rest. Throws Errc::invalid for an empty policy, which
// would keep nothing.
std::vector<Verdict> apply_policy(const KeepPolicy& policy, const std::vector<RetentionItem>& items,
                                  SystemTime now);

}  // namespace duckback
