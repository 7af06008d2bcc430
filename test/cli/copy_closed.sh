# A closed database: one file, byte for byte, and its sidecar; the path alone on standard output.
. "$(dirname "$0")/common.inc"
needs_library
make_database app.duckdb
mkdir to

expect 0 "$duckback" copy app.duckdb to/copy.duckdb
[ "$(cat out)" = "$tmp/to/copy.duckdb" ] || fail "the path is not the result"
says "no process had it open"
only to copy.duckdb copy.duckdb.duckback.json
[ "$(stat -c %a to/copy.duckdb to/copy.duckdb.duckback.json)" = "600
600" ] || fail "the copy is not private"
[ "$(rows to/copy.duckdb)" = 200000 ] || fail "rows are missing"

expect 0 "$duckback" copy app.duckdb to/copy.duckdb --quiet
[ ! -s err ] || fail "--quiet is not"
expect 1 "$duckback" copy app.duckdb to/copy.duckdb --no-clobber
one_error
says "exists"
only to copy.duckdb copy.duckdb.duckback.json
