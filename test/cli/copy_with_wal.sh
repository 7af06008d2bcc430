# Commits that are in the WAL only are part of the copy: folded in, or as a pair.
. "$(dirname "$0")/common.inc"
needs_library
export DUCKBACK_LIBDUCKDB=$lib
make_database_with_wal "app.duckdb"
mkdir one pair open

expect 0 "$duckback" copy app.duckdb one/copy.duckdb --json
grep -q '"settled":true' out || fail "the WAL was not folded in"
only one copy.duckdb copy.duckdb.duckback.json
[ "$(rows one/copy.duckdb)" = 201000 ] || fail "commits are missing"

expect 0 "$duckback" copy app.duckdb pair/copy.duckdb --keep-wal --json
only pair copy.duckdb copy.duckdb.duckback.json copy.duckdb.wal
cp pair/copy.duckdb* open
[ "$(rows open/copy.duckdb)" = 201000 ] || fail "commits are missing in the pair"

# A single file replaces the pair, and no old WAL stays beside it.
expect 0 "$duckback" copy app.duckdb pair/copy.duckdb
only pair copy.duckdb copy.duckdb.duckback.json

# Without a library the pair is the copy, and that is said.
expect 0 env DUCKBACK_LIBDUCKDB="$tmp/none.so" "$duckback" copy app.duckdb one/copy.duckdb
says "two files, and both are needed"
only one copy.duckdb copy.duckdb.duckback.json copy.duckdb.wal
[ "$(rows app.duckdb)" = 201000 ] || fail "the source changed"
