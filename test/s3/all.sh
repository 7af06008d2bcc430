#!/bin/sh
# Every test that needs an S3 server; run by test/support/with_rgw.py.   all.sh CONTRACT_TESTS
set -u
contract_tests=$1
cd "$(dirname "$0")" || exit 1
logs=$(mktemp -d) || exit 1
trap 'rm -rf "$logs"' EXIT

# try NAME COMMAND…: what it says is shown in one piece, once it has ended.
try() {
  name=$1 log=$logs/$1; shift
  "$@" >"$log" 2>&1; result=$?
  case $result in
    0) grep skipped "$log"; echo "ok: $name" ;;
    77) cat "$log" ;;
    *) { echo "FAILED: $name"; cat "$log"; } | tee -a "$logs/failed" ;;
  esac
}

# There is one proxy: who tells it how to fail runs alone.
with_faults="copies cache traffic faults killed"
(
  try contract "$contract_tests" --gtest_brief=1 --gtest_filter='*S3*'
  for name in $with_faults; do try $name sh $name.sh; done
) &

for script in *.sh; do
  name=${script%.sh}
  case " all $with_faults " in *" $name "*) ;; *) try "$name" sh "$script" ;; esac
done
# The commands of repositories once more, in a bucket. Not those that are about folders and terminals (places, prompt),
# the system calls of a kill (resumes, restore_killed; killed.sh is for buckets), or what a database and a restored file
# go through (damaged_structure, failures).
for name in check cost forget json key sync tag verify; do
  try "repo_$name" env DUCKBACK_TEST_BUCKET=commands sh "../cli/repo_$name.sh"
done
wait
[ ! -e "$logs/failed" ]
