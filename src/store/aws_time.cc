#include "store/aws_time.h"

#include "base/error.h"

namespace duckback {

SystemTime parse_aws_time(std::string_view text) {
  auto fail = [&]() -> SystemTime {
    throw Error(Errc::unavailable, "the server's time '{}' is none", printable(text.substr(0, 40)));
  };
  std::string_view rest = text;
  std::string_view zone = rest.ends_with('Z') ? "Z" : "+00:00";
  if (!rest.ends_with(zone)) fail();
  rest.remove_suffix(zone.size());
  std::string time(rest.substr(0, rest.find('.')));
  if (time.size() != rest.size()) {
    std::string fraction(rest.substr(time.size() + 1));
    fraction.resize(3, '0');
    time += '.' + fraction;
  }
  try {
    return parse_utc(time + 'Z');
  } catch (const Error&) {
    return fail();
  }
}

}  // namespace duckback
