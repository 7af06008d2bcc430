#!/usr/bin/env bash
# Runs every fuzz target for so many seconds, from its seeds in test/fuzz/corpus/TARGET. What is found goes
# to build/fuzz-corpus (new inputs, kept between runs) and build/fuzz-crashes.
#   tools/fuzz.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-30}
tools/setup.sh all >/dev/null
{ cmake --preset fuzz -DDUCKBACK_TESTS=OFF && cmake --build build/fuzz; } >build/fuzz.log 2>&1 ||
  { tail -n 40 build/fuzz.log >&2; exit 1; }

mapfile -t targets < <(find build/fuzz -type f -executable -name 'fuzz_*' | sort)
[ ${#targets[@]} -gt 0 ] || { echo "skipped: there is no fuzz target"; exit 77; }
crashes=build/fuzz-crashes
mkdir -p "$crashes"
passed=0 failed=0
for target in "${targets[@]}"; do
  name=$(basename "$target")
  corpus=build/fuzz-corpus/$name
  mkdir -p "$corpus"
  seeds=()
  [ ! -d "test/fuzz/corpus/${name#fuzz_}" ] || seeds=("test/fuzz/corpus/${name#fuzz_}")
  if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
      -artifact_prefix="$crashes/$name-" "$corpus" "${seeds[@]}" >"build/$name.log" 2>&1; then
    passed=$((passed + 1))
    echo "ok     $name: $(grep -oP 'number_of_executed_units: \K\d+' "build/$name.log") inputs"
  else
    failed=$((failed + 1))
    echo "FAILED $name (the input is in $crashes)"
    tail -n 30 "build/$name.log"
  fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
