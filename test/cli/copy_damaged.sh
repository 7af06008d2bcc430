# Bit flips: block and offset are named; a copy exists only with --allow-damaged, and is marked.
. "$(dirname "$0")/common.inc"
needs_library
make_database app.duckdb
mkdir to
offset=$((12288 + 262144 + 1000))
printf '\377\376\375' | dd of=app.duckdb bs=1 seek=$offset conv=notrunc status=none

expect 4 "$duckback" copy app.duckdb to/copy.duckdb
one_error
says "block 1 (offset 274432)"
only to ''

expect 4 "$duckback" copy app.duckdb to/copy.duckdb --allow-damaged --json
only to copy.duckdb copy.duckdb.duckback.json
grep -q '"damaged":\[{"block":1,"offset":274432}\]' out || fail "the damage is not in the JSON"
grep -q '"damaged_blocks": 1' to/copy.duckdb.duckback.json || fail "the sidecar is not marked"
