# Case 20: an index of an extension in the WAL, which DuckDB without that extension cannot fold in. The pair is copied
# and said to be one, with what is missing; nothing is called damaged.
. "$(dirname "$0")/common.inc"
needs_library

sql app.duckdb "CREATE TABLE t (id INTEGER, v INTEGER); INSERT INTO t SELECT i, i FROM range(100) r(i); CHECKPOINT"
"$DUCKDB_RUN" --crash "$lib" app.duckdb "CREATE INDEX by_id ON t (id)" >made || fail "the index"
# The index in the WAL becomes one of a type that this DuckDB does not know.
python3 - app.duckdb.wal <<'PYTHON' || fail "the WAL could not be changed"
import struct, sys
MASK = (1 << 64) - 1

def tail(data):
    factor = 0xC6A4A7935BD1E995
    h = (0xE17A1465 ^ (len(data) * factor)) & MASK
    h ^= int.from_bytes(data, "little")
    for _ in range(2):
        h = h * factor & MASK
        h ^= h >> 47
    return h

def checksum(data):
    result = 5381
    for (word,) in struct.iter_unpack("<Q", data[: len(data) // 8 * 8]):
        result ^= word * 0xBF58476D1CE4E5B9 & MASK
    return result ^ tail(data[len(data) // 8 * 8 :]) if len(data) % 8 else result

wal = bytearray(open(sys.argv[1], "rb").read())
at = wal.index(b"\xff\xff") + 2
changed = 0
while at + 16 <= len(wal):
    size, sum_ = struct.unpack_from("<QQ", wal, at)
    payload = bytes(wal[at + 16 : at + 16 + size])
    assert checksum(payload) == sum_, at
    if payload[2] == 23 and b"\x03ART" in payload:
        payload = payload.replace(b"\x03ART", b"\x03HNS")
        wal[at + 8 : at + 16 + size] = struct.pack("<Q", checksum(payload)) + payload
        changed += 1
    at += 16 + size
open(sys.argv[1], "wb").write(wal)
sys.exit(changed != 1)
PYTHON
cp app.duckdb before.duckdb && cp app.duckdb.wal before.wal

"$duckback" copy app.duckdb copy.duckdb --libduckdb "$lib" >out 2>err || fail "copy"
[ -s copy.duckdb.wal ] || fail "the pair was not shipped"
grep -qi "two files" err || fail "no word that both files are needed"
grep -q "HNS" err || fail "no word of the index type that is missing"
cmp -s app.duckdb.wal copy.duckdb.wal || fail "the WAL was changed"
cmp -s app.duckdb before.duckdb && cmp -s app.duckdb.wal before.wal || fail "the source was changed"

"$duckback" verify copy.duckdb >out 2>err || fail "verify of the blocks"
# DuckDB opens such a database as long as it does not have to write the index.
"$duckback" verify --open --libduckdb "$lib" copy.duckdb >out 2>err || fail "verify --open"
grep -q "100 rows" out || fail "the rows were not counted"
! cat out err | grep -qi "corrupt\|damaged" || fail "it is called damaged"

# A backup is made and opened; the same holds for what it says.
unset DUCKBACK_REPO
"$duckback" init repo >out 2>err || fail "init"
"$duckback" backup app.duckdb --repo repo --verify open --libduckdb "$lib" >out 2>err || fail "backup --verify open"
! cat out err | grep -qi "corrupt\|damaged" || fail "a backup calls it damaged"
