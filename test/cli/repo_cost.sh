# What snapshots cost, and what changed between them.
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
value() { sql :memory: "SELECT $1 FROM read_json('out')"; }
make_database app.duckdb
expect 0 "$duckback" init repo
export DUCKBACK_REPO="$tmp/repo"
expect 0 "$duckback" stats --json
[ "$(value 'len(snapshots)')" = 0 ] || fail "an empty repository has snapshots"
expect 0 "$duckback" backup app.duckdb; first=$(cat out)
expect 0 "$duckback" backup app.duckdb; same=$(cat out)
sql app.duckdb "INSERT INTO t SELECT i, 'more ' || i FROM range(200000) r(i); CHECKPOINT"
expect 0 "$duckback" backup app.duckdb; second=$(cat out)

expect 0 "$duckback" stats --json
[ "$(value 'snapshots[1].unique_bytes')" = 0 ] || fail "what two snapshots need is called unique"
[ "$(value 'snapshots[3].unique_bytes > 100000')" = true ] || fail "what one needs is not unique"
[ "$(value 'needed_bytes BETWEEN 1 AND pack_bytes AND pack_bytes < total_bytes')" = true ] || fail "the totals do not fit"
expect 0 "$duckback" stats
grep -q 'UNIQUE' out || fail "no table"

expect 0 "$duckback" diff "$first" "$same" --json
[ "$(value 'blocks.changed + blocks.added + blocks.removed + wal.changed + wal.added')" = 0 ] || fail "equal ones differ"
expect 0 "$duckback" diff "$first" "$second" --json
[ "$(value 'blocks.added > 0 AND blocks.bytes > 0 AND headers AND comparable')" = true ] || fail "the change is not seen"
added=$(value 'blocks.added')
expect 0 "$duckback" diff "$second" "$first" --json
[ "$(value 'blocks.removed')" = "$added" ] || fail "not the same the other way"
expect 0 "$duckback" diff "$first"
grep -q "^to   $(echo "$second" | cut -c1-8)" out || fail "it is not compared with the latest"
grep -q '^free blocks' out || fail "free blocks are not shown"
expect 13 "$duckback" diff "$first" 12345678
expect 2 "$duckback" diff

# Tables and rows: by opening both, or as they recorded it.
export DUCKBACK_LIBDUCKDB="$lib"
mkdir scratch; TMPDIR=$tmp/scratch; export TMPDIR
expect 0 "$duckback" diff "$first" "$second" --json
[ "$(value 'tables IS NULL')" = true ] || fail "tables without being asked"
sql app.duckdb "DELETE FROM t WHERE i >= 100000; CREATE SCHEMA s; CREATE TABLE s.new AS SELECT 1 AS i; CREATE TABLE same AS SELECT 1 AS i"
expect 0 "$duckback" backup app.duckdb --verify open; third=$(cat out)
sql app.duckdb "DROP TABLE s.new"
expect 0 "$duckback" backup app.duckdb --verify open; fourth=$(cat out)
expect 0 "$duckback" diff "$first" "$third" --tables --json
for row in "main same null 1 1" "main t 200000 200000 0" "s new null 1 1"; do
  set -- $row
  grep -qF "{\"after\":$4,\"before\":$3,\"difference\":$5,\"schema\":\"$1\",\"table\":\"$2\"}" out || fail "not as it is: $row"
done
[ "$(value 'len(tables)')" = 3 ] || fail "other tables"
expect 0 "$duckback" diff "$second" "$third" --tables
grep -qE '^main.t +400000 +200000 +-200000$' out || fail "the rows that went are not shown"
grep -qE '^s.new +- +1 +new table$' out || fail "the new table is not shown"
only scratch ''
# Recorded by both: no DuckDB is needed.
unset DUCKBACK_LIBDUCKDB
expect 0 "$duckback" diff "$third" "$fourth" --tables --libduckdb "$tmp/none.so"
grep -qE '^s.new +1 +- +removed$' out || fail "the removed table is not shown"
grep -q '^2 tables with as many rows as before$' out || fail "the others are not counted"
expect 20 "$duckback" diff "$first" "$fourth" --tables --libduckdb "$tmp/none.so"
