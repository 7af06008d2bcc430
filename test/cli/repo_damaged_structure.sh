# A database of which nobody can tell which blocks are in use is stored whole and marked: exit 4; it
# comes back as it was, and no rule takes the last good snapshot.
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
value() { sql :memory: "SELECT $1 FROM read_json('out')"; }
expect 0 "$duckback" init repo
export DUCKBACK_REPO="$tmp/repo"
sql app.duckdb "CREATE TABLE t AS SELECT i, 'text ' || i AS s FROM range(200000) r(i); CREATE TABLE u AS SELECT * FROM t; CHECKPOINT; DROP TABLE u; CHECKPOINT"
cp app.duckdb good.duckdb
expect 0 "$duckback" backup app.duckdb; good=$(cat out)
# damage FREE_LIST|SLOT FILE
damage() {
  python3 - "$@" <<'PYTHON'
import struct, sys
what, name = sys.argv[1:]
data = bytearray(open(name, "rb").read())
iterations = [struct.unpack_from("<Q", data, 4096 * slot + 8)[0] for slot in (1, 2)]
slot = 4096 * (1 + iterations.index(max(iterations)))
if what == "slot":
    data[slot + 100] ^= 1
else:
    pointer = struct.unpack_from("<Q", data, slot + 24)[0]
    block = 12288 + (pointer & (1 << 56) - 1) * 262144
    data[block + 200] ^= 1
open(name, "wb").write(data)
PYTHON
}

# The free list.
damage free_list app.duckdb
expect 4 "$duckback" copy app.duckdb copy.duckdb
expect 4 "$duckback" backup app.duckdb; bad=$(cat out)
says "which blocks are in use is not known"
says "is marked so"
expect 0 "$duckback" snapshots
grep -q "$(echo "$bad" | cut -c1-8).*DAMAGED" out || fail "it is not shown as damaged"
expect 0 "$duckback" snapshots --json
[ "$(value "count(*) FILTER (damage LIKE '%in use is not known%')")" = 1 ] || fail "the JSON does not say it"
expect 0 "$duckback" restore "$bad" --to back.duckdb
says "of a damaged database"
# Behind the header area (the active header stands in both slots) every byte of every block.
cmp -i 12288 back.duckdb app.duckdb || fail "not the same blocks"
expect 0 "$duckback" forget --keep-last 1
grep -q "keep *$(echo "$good" | cut -c1-8).*newest good" out || fail "the last good one goes"
expect 0 "$duckback" restore "$good" --to good-again.duckdb
[ "$(rows good-again.duckdb)" = 200000 ] || fail "the good one is not whole"
expect 0 "$duckback" check --read-data
# What is damaged is not taken for what it was.
expect 4 "$duckback" backup app.duckdb --json
[ "$(value untouched)" = false ] || fail "a damaged one was not read"
# Repaired, it is a good one again.
cp good.duckdb app.duckdb
expect 0 "$duckback" backup app.duckdb

# Beside a writer that goes on: DuckDB keeps its own list in memory, so that the file's is damaged until its
# next checkpoint; all blocks are read between two proofs that no checkpoint has begun.
cp good.duckdb live.duckdb
start_writer live.duckdb "SET checkpoint_threshold = '1GB'"
damage free_list live.duckdb
tell "INSERT INTO t SELECT i, 'live' FROM range(10) r(i)"
expect 4 "$duckback" backup live.duckdb; live=$(cat out)
exec 9>&-; kill -9 "$writer_pid"; wait "$writer_pid" 2>/dev/null; writer_pid=; rm -f to_writer from_writer
expect 0 "$duckback" restore "$live" --to live-back.duckdb
cmp -i 12288 live-back.duckdb live.duckdb || fail "not the same blocks of a live one"
cmp live-back.duckdb.wal live.duckdb.wal || fail "not the same WAL"

# A header: DuckDB opens it no more; every byte is kept.
cp good.duckdb torn.duckdb
damage slot torn.duckdb
expect 4 "$duckback" backup torn.duckdb; torn=$(cat out)
says "a database header"
expect 0 "$duckback" restore "$torn" --to torn-back.duckdb
cmp torn-back.duckdb torn.duckdb || fail "not the same bytes"
expect 4 "$duckback" backup torn.duckdb --require-certified
[ "$("$duckback" snapshots --database torn.duckdb --json | grep -o '"id"' | wc -l)" = 1 ] || fail "stored all the same"

# The WAL: a header of garbage, and one of another database.
cp good.duckdb wal.duckdb
head -c 3000 /dev/urandom >wal.duckdb.wal
printf 'x' | dd of=wal.duckdb.wal bs=1 seek=2 conv=notrunc 2>dd.log
expect 4 "$duckback" backup wal.duckdb; wal=$(cat out)
says "wal.duckdb.wal: expected the type of the WAL's first entry"
says "all of that WAL is kept as it is"
says "is marked so"
expect 0 "$duckback" restore "$wal" --to wal-back.duckdb
cmp wal-back.duckdb.wal wal.duckdb.wal || fail "not the same WAL"
cmp -i 12288 wal-back.duckdb wal.duckdb || fail "not the same blocks beside that WAL"
expect 0 "$duckback" restore "$wal" --to without-wal.duckdb --without-wal
[ "$(rows without-wal.duckdb)" = 200000 ] || fail "not whole without its WAL"

# The end of the file is gone, within a block and within the headers.
for bytes in 300000 9000; do
  cp good.duckdb cut.duckdb
  truncate -s "$bytes" cut.duckdb
  expect 4 "$duckback" backup cut.duckdb; cut=$(cat out)
  says "is marked so"
  expect 0 "$duckback" restore "$cut" --to "cut-$bytes.duckdb"
  [ "$(stat -c %s "cut-$bytes.duckdb")" = "$bytes" ] || fail "it comes back with another size"
done

# The main header: then it is not known to be a database at all, and there is nothing to keep it under.
printf 'x' | dd of=torn.duckdb bs=1 seek=200 conv=notrunc 2>dd.log
expect 4 "$duckback" backup torn.duckdb
says "main header"
