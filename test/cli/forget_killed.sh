# A copy of two files is never left half: killed at any system call, DuckDB opens it whole or not at
# all, no WAL is left alone, and the next forget finishes.
. "$(dirname "$0")/common.inc"
needs_library
command -v strace >/dev/null || skip "no strace"
strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
make_database_with_wal app.duckdb
expect 0 "$duckback" copy app.duckdb pair.duckdb --keep-wal
whole=$(rows pair.duckdb)

steps=0
for call in rename unlink fsync; do
  step=0
  while :; do
    step=$((step + 1))
    rm -rf to; mkdir to
    expect 0 "$duckback" copy app.duckdb to/old.duckdb --keep-wal
    [ -e to/old.duckdb.wal ] || fail "the copy has no WAL"
    expect 0 "$duckback" copy app.duckdb to/new.duckdb --keep-wal
    sed -i 's/"time": *"[^"]*"/"time": "2026-01-01T12:00:00Z"/' to/old.duckdb.duckback.json
    strace -f -o trace -e trace=$call -e inject=$call:signal=KILL:when=$step \
      "$duckback" forget to --keep-last 1 >out 2>err
    status=$?
    if [ -e to/old.duckdb.wal ] && [ ! -e to/old.duckdb ]; then fail "$call $step left a lone WAL"; fi
    if [ -e to/old.duckdb ]; then
      count=$("$DUCKDB_RUN" --read-only "$lib" to/old.duckdb "SELECT count(*) FROM t" 2>refusal) &&
        [ "$count" != "$whole" ] && fail "$call $step: it opens with $count rows, not $whole"
    fi
    [ "$status" = 0 ] && break
    steps=$((steps + 1))
    expect 0 "$duckback" forget to --keep-last 1
    only to new.duckdb new.duckdb.duckback.json new.duckdb.wal
  done
done
[ "$steps" -ge 8 ] || fail "only $steps steps were met"
only to new.duckdb new.duckdb.duckback.json new.duckdb.wal
