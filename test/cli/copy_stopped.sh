# Ended at any moment: no partial copy. SIGTERM and SIGHUP leave nothing, and what kill -9 leaves the next
# copy removes.
. "$(dirname "$0")/common.inc"
needs_library
make_database app.duckdb 3000000
mkdir to
old=$(cksum <app.duckdb)
for signal in TERM HUP KILL; do
  for delay in 0.00 0.01 0.02 0.04 0.08 0.16; do
    "$duckback" copy app.duckdb to/copy.duckdb --quiet >out 2>err & pid=$!
    sleep $delay
    kill -$signal $pid 2>/dev/null
    wait $pid; status=$?
    case $signal$status in
      *0|TERM143|HUP129|KILL137) ;;
      *) fail "exit $status after SIG$signal" ;;
    esac
    [ ! -e to/copy.duckdb ] || [ "$(rows to/copy.duckdb)" = 3000000 ] || fail "a partial copy"
    [ $signal = KILL ] || [ -z "$(ls -A to | grep '^\.')" ] || fail "left: $(ls -A to)"
    rm -f to/copy.duckdb*
  done
done
expect 0 "$duckback" copy app.duckdb to/copy.duckdb
only to copy.duckdb copy.duckdb.duckback.json
[ "$(cksum <app.duckdb)" = "$old" ] || fail "the source changed"
