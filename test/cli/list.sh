# What is in a folder of copies: oldest first, one table a database, the rest named as what it is.
. "$(dirname "$0")/common.inc"
needs_library
make_database app.duckdb 1000
make_database other.duckdb 1000
mkdir to
expect 0 "$duckback" copy app.duckdb to/z-first.duckdb
sleep 1  # times are whole seconds
expect 0 "$duckback" copy app.duckdb to/a-second.duckdb
expect 0 "$duckback" copy other.duckdb to/other.duckdb --name shop
cp app.duckdb to/stray.duckdb
echo '{"format": 1' >to/broken.duckdb.duckback.json

expect 0 "$duckback" list to
[ "$(grep -c 'FILE$' out)" = 2 ] || fail "not one table for each database"
grep -q ': shop$' out || fail "the name is not shown"
[ "$(grep -oE '(z-first|a-second).duckdb' out | tr '\n' ' ')" = "z-first.duckdb a-second.duckdb " ] ||
  fail "not in the order of time"
grep -A1 'not written by duckback' out | grep -q stray.duckdb || fail "the stray database is not named"
says "broken.duckdb.duckback.json is no sidecar"

expect 0 "$duckback" list to --json
[ "$(sql :memory: "SELECT string_agg(state, ' ' ORDER BY state) FROM read_json('out')")" = \
  "foreign present present present unreadable" ] || fail "the JSON is not what read_json expects"

rm to/z-first.duckdb
expect 0 "$duckback" list to
grep -q 'MISSING.*z-first.duckdb' out || fail "the missing file is not shown"

mkdir empty
expect 0 "$duckback" list empty
says "no copies in empty"
expect 0 "$duckback" list empty --json
[ "$(cat out)" = "[]" ] || fail "an empty folder is no empty array"

expect 1 "$duckback" list missing
one_error
expect 1 "$duckback" list app.duckdb
says "is not a folder"
expect 2 "$duckback" list
expect 2 "$duckback" list to --unknown
