#!/bin/sh
# Every test that needs an S3 server; run by test/support/with_rgw.py.   all.sh CONTRACT_TESTS
set -u
status=0
"$1" --gtest_brief=1 --gtest_filter='*S3*' || status=1
for script in "$(dirname "$0")"/*.sh; do
  [ "$script" != "$0" ] || continue
  if sh "$script"; then
    echo "ok: $(basename "$script")"
  else
    result=$?
    [ $result = 77 ] || { echo "FAILED: $(basename "$script")"; status=1; }
  fi
done
exit $status
