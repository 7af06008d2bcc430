# Sourced by tools/test.sh and .ci/run: named steps with a log each, little on the screen, one sum at the end.
# A step that is no suite counts as one case. Results are collected in $results.

results=$(realpath -m "$results")
mkdir -p "$results"
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=1

# step NAME COMMAND… : runs it; on failure shows the end of its log. Never ends the script.
# A command that prints `N passed, N failed, N skipped` is counted so, any other is one case.
step() {
  local name=$1 log=$results/$1.log began=$SECONDS status=0 counts
  shift
  "$@" >"$log" 2>&1 </dev/null || status=$?
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1 || true)
  if [ -e "$results/$name.xml" ] && { [ $status = 0 ] || grep -q '<failure' "$results/$name.xml"; }; then
    counts=""  # ctest's own report has every case
  elif [ $status = 77 ]; then
    counts="0 passed, 0 failed, 1 skipped"
  elif [ -z "$counts" ]; then
    counts=$([ $status = 0 ] && echo "1 passed, 0 failed, 0 skipped" || echo "0 passed, 1 failed, 0 skipped")
  elif [ $status != 0 ]; then
    counts=${counts/ 0 failed,/ 1 failed,}
  fi
  [ -z "$counts" ] || echo "$counts" >"$results/$name.count"
  printf '%-8s %-24s %4d s%s\n' "$([ $status = 0 ] && echo ok || { [ $status = 77 ] && echo skipped || echo FAILED; })" \
    "$name" $((SECONDS - began)) "$([ $status != 77 ] || echo "  $(tail -n 1 "$log")")"
  if [ $status != 0 ] && [ $status != 77 ]; then
    tail -n 40 "$log" | sed 's/^/    /'
    echo "    the whole log: ${log#"$PWD"/}"
  fi
  return 0
}

# build PRESET "TARGET…" [CMAKE ARGUMENT…]
build() {
  local preset=$1 targets
  read -ra targets <<<"$2"
  shift 2
  cmake --preset "$preset" "$@" && cmake --build "build/$preset" --target "${targets[@]}"
}

# run_ctest NAME PRESET [CTEST ARGUMENT…] : every case goes into $results/NAME.xml
run_ctest() {
  local name=$1 preset=$2
  shift 2
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" \
    --test-output-size-passed 20000 --output-junit "$results/$name.xml" "$@"
}
