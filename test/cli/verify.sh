# verify says good or lists all that is wrong, and exits 18 for a copy that is not good.
. "$(dirname "$0")/common.inc"
needs_library
make_database app.duckdb
mkdir to
expect 0 "$duckback" copy app.duckdb to/1.duckdb
expect 0 "$duckback" copy app.duckdb to/2.duckdb

expect 0 "$duckback" verify to/1.duckdb
grep -q '1.duckdb: good (hash; .* blocks)' out || fail "what was proven is not said"
grep -q '"level": *"blocks"' to/1.duckdb.duckback.json || fail "the sidecar does not know"
expect 0 "$duckback" verify to
[ "$(grep -c ': good' out)" = 2 ] || fail "not both copies were verified"

# The sidecars that a pattern names belong to the copies: each copy once, and one that is gone.
expect 0 "$duckback" verify to/*
[ "$(wc -l <out)" = 2 ] || fail "not each copy once"
cp to/2.duckdb.duckback.json to/gone.duckdb.duckback.json
expect 18 "$duckback" verify to/*
grep -q 'gone.duckdb: FAILED' out || fail "the copy that is gone is not missed"
rm to/gone.duckdb.duckback.json

# Case 14: bit flips in a data block, every one named, all files checked.
printf 'x' | dd of=to/1.duckdb bs=1 seek=20000 conv=notrunc 2>dd.log
printf 'x' | dd of=to/1.duckdb bs=1 seek=600000 conv=notrunc 2>dd.log
expect 18 "$duckback" verify to
grep -q '  block 0 at offset 12288: its checksum is wrong' out || fail "block 0 is not named"
grep -q '  block 2 at offset 536576: its checksum is wrong' out || fail "block 2 is not named"
grep -q '2.duckdb: good' out || fail "the other copy was not verified"
expect 18 "$duckback" verify to --json
[ "$(sql :memory: "SELECT count(*) FROM (SELECT unnest(findings) AS f FROM read_json('out')) WHERE f.block IS NOT NULL")" = 2 ] ||
  fail "the JSON has not both blocks"
expect 0 "$duckback" list to
grep -q 'FAILED.*1.duckdb' out || fail "list does not show the failure"
expect 18 "$duckback" verify missing.duckdb to/1.duckdb

# Case 13: a flipped byte of a WAL; case 12: a WAL cut in an entry.
make_database_with_wal wal.duckdb
expect 0 "$duckback" verify wal.duckdb
mkdir pair
expect 0 "$duckback" copy wal.duckdb pair/pair.duckdb --keep-wal
expect 0 env DUCKBACK_LIBDUCKDB="$lib" "$duckback" verify --full pair
grep -q 'all read by DuckDB .*: 1 table, 201,000 rows' out || fail "the pair was not read"
only pair pair.duckdb pair.duckdb.wal pair.duckdb.duckback.json
expect 20 "$duckback" verify --open pair --libduckdb /nonexistent.so
expect 0 "$duckback" verify pair
cp wal.duckdb.wal keep.wal
printf 'x' | dd of=wal.duckdb.wal bs=1 seek=$(($(stat -c %s keep.wal) / 2)) conv=notrunc 2>dd.log
expect 18 "$duckback" verify wal.duckdb
grep -qE 'WAL: the checksum of the entry at offset [0-9]+ is wrong' out || fail "no position"
head -c $(($(stat -c %s keep.wal) - 3)) keep.wal >wal.duckdb.wal
expect 0 "$duckback" verify wal.duckdb
grep -q 'is incomplete' out || fail "the incomplete entry is not said"

# Cases 6 and 7: pairs of another time, and of another database.
"$DUCKDB_RUN" --crash "$lib" :memory: "ATTACH 'modern.duckdb' AS m (STORAGE_VERSION 'v1.5.0'); CREATE TABLE m.t AS SELECT i FROM range(1000) r(i); CHECKPOINT m; INSERT INTO m.t VALUES (1)" || fail "no modern database"
expect 0 "$duckback" verify modern.duckdb
cp modern.duckdb.wal older.wal
sql :memory: "ATTACH 'modern.duckdb' AS m; CHECKPOINT m"
cp older.wal modern.duckdb.wal
expect 18 "$duckback" verify modern.duckdb
grep -qE 'continues iteration [0-9]+, the database is at iteration [0-9]+' out || fail "not both are named"
"$DUCKDB_RUN" --crash "$lib" :memory: "ATTACH 'second.duckdb' AS m (STORAGE_VERSION 'v1.5.0'); CREATE TABLE m.t AS SELECT i FROM range(1000) r(i); CHECKPOINT m; INSERT INTO m.t VALUES (1)" || fail "no second database"
cp second.duckdb.wal modern.duckdb.wal
expect 18 "$duckback" verify modern.duckdb
grep -q 'of another database' out || fail "the foreign WAL is not called so"
cp keep.wal app.duckdb.wal
expect 0 "$duckback" verify app.duckdb
grep -q 'cannot be proven' out || fail "it is not said that the pair cannot be proven"
rm app.duckdb.wal

# A database in use is not a finished copy.
start_writer app.duckdb
expect 11 "$duckback" verify app.duckdb
grep -q 'duckback copy' out || fail "copy is not pointed to"
exec 9>&-; wait "$writer_pid"; writer_pid=

# Case 15 and bad input.
: >zero.duckdb
echo "this is only text, nothing else" >text.duckdb
printf 'SQLite format 3\0and the rest' >sqlite.duckdb
for file in zero text sqlite missing; do expect 1 "$duckback" verify $file.duckdb; done
mkdir none
expect 1 "$duckback" verify none
expect 2 "$duckback" verify
expect 2 "$duckback" verify app.duckdb --key-env NO_SUCH_VARIABLE
