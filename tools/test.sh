#!/usr/bin/env bash
# make test: sets up, builds, runs every suite. The last line is the sum; exit 0 only if nothing failed.
set -euo pipefail
cd "$(dirname "$0")/.."

results=${1:-build/test-results}
rm -rf "$results"
. tools/suite.sh
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

tools/setup.sh test
step build.release tools/build.sh tests
step release run_ctest release release
step build.asan build asan "unit_tests golden_tests contract_tests"
step asan run_ctest asan asan -R '^(unit|golden|contract)\.'
step docs test/docs.py
step torture test/torture/run.sh --short
exec tools/tally.py "$results"
