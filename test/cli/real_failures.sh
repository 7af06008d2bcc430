# What went wrong for real users of `cp` and of SQL-level copies, and must not here. The numbers are those of the
# collected cases; those about verify, forget and inspect are in the scripts of these names, 2 and 3 in the torture.
. "$(dirname "$0")/common.inc"
needs_library
export DUCKBACK_LIBDUCKDB=$lib

# Case 1: all rows are in the WAL, the writer is alive.
start_writer live.duckdb
tell "CREATE TABLE t AS SELECT i, 'row' AS s FROM range(99) r(i)"
expect 0 "$duckback" copy live.duckdb one.duckdb
[ "$(rows one.duckdb)" = 99 ] || fail "case 1: rows of the WAL are missing"

# Case 11: reading a file must not cost its writer the lock.
"$DUCKDB_RUN" "$lib" live.duckdb "SELECT 1" >second 2>&1 && fail "case 11: a second writer could open the database"
grep -q "Could not set lock" second || fail "case 11: $(cat second)"
tell "DROP TABLE t"
exec 9>&-; wait "$writer_pid"; writer_pid=; rm -f to_writer from_writer

# Cases 4 and 5: a WAL of another checkpoint is refused where the file can prove it (storage 67 and later).
sql "$tmp/new.duckdb" "ATTACH 'v67.duckdb' AS v (STORAGE_VERSION 'v1.4.0'); CREATE TABLE v.t AS SELECT 1 AS i"
"$DUCKDB_RUN" --crash "$lib" v67.duckdb "INSERT INTO t VALUES (2)" >/dev/null
cp v67.duckdb.wal stale.wal
sql v67.duckdb "INSERT INTO t VALUES (3); CHECKPOINT"
cp stale.wal v67.duckdb.wal
expect 4 "$duckback" copy v67.duckdb two.duckdb
says "belongs to checkpoint"
one_error
[ ! -e two.duckdb ] || fail "cases 4 and 5: a wrong pair was copied"

# Case 12: an incomplete last entry ends the copy at the last commit.
make_database_with_wal torn.duckdb
truncate -s -3 torn.duckdb.wal
expect 0 "$duckback" copy torn.duckdb twelve.duckdb
[ "$(rows twelve.duckdb)" = 200000 ] || fail "case 12: an incomplete commit was copied"

# Case 16: a file that was cut short.
make_database cut.duckdb
truncate -s 600000 cut.duckdb
expect 4 "$duckback" copy cut.duckdb sixteen.duckdb
says "it is truncated"
one_error

# Case 17: what crashes or confuses DuckDB becomes a message, and the checks go on without it.
make_database crash.duckdb
python3 - <<'PYTHON'
import struct
# A catalog root of noise under a right checksum: DuckDB fails to open it, however it fails.
data = bytearray(open("crash.duckdb", "rb").read())
slots = [struct.unpack_from("<Q", data, 4096 * slot + 8)[0] for slot in (1, 2)]
slot = 4096 * (1 + slots.index(max(slots)))
pointer = struct.unpack_from("<Q", data, slot + 16)[0]
block = 12288 + (pointer & (1 << 56) - 1) * 262144
at = block + 8 + (pointer >> 56) * 4088 + 8
data[at:at + 64] = bytes((i * 37 + 11) % 256 for i in range(64))
checksum = 5381
for (word,) in struct.iter_unpack("<Q", data[block + 8:block + 262144]):
    checksum ^= word * 0xBF58476D1CE4E5B9 % 2**64
struct.pack_into("<Q", data, block, checksum)
open("crash.duckdb", "wb").write(data)
PYTHON
expect 0 "$duckback" copy crash.duckdb blocks.duckdb
expect 18 "$duckback" copy crash.duckdb seventeen.duckdb --verify open
one_error
[ ! -e seventeen.duckdb ] || fail "case 17: a copy that does not open was kept"

# Case 23: a WAL larger than the database, in bounded memory.
sql grown.duckdb "CREATE TABLE t (i BIGINT, s VARCHAR)"
rows="SELECT i, repeat('x', 900) || i FROM range(100000) r(i)"
"$DUCKDB_RUN" --crash "$lib" grown.duckdb \
  "SET wal_autocheckpoint='10GB'; INSERT INTO t $rows; INSERT INTO t $rows" >/dev/null || fail "case 23"
[ "$(stat -c %s grown.duckdb.wal)" -gt 150000000 ] || fail "case 23: the WAL is small"
expect 0 python3 - "$duckback" <<'PYTHON'
import os, resource, subprocess, sys
subprocess.run([sys.argv[1], "copy", "grown.duckdb", "pair.duckdb", "--keep-wal", "--quiet"], check=True, stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
limit = 64 * 1024
sys.exit(0 if peak <= limit or "DUCKBACK_SANITIZED" in os.environ else "peak memory %d KiB" % peak)
PYTHON
cmp grown.duckdb.wal pair.duckdb.wal || fail "case 23: the WAL is another"

# Case 29: storage versions 64 to 69 are copied; a newer one as it is, with a warning and never certified.
for file in "$(dirname "$DUCKBACK_DEPS")"/test/golden/*.duckdb; do
  case $file in *encrypted* | *sealed*) continue ;; esac
  expect 0 "$duckback" copy "$file" golden/ --keep-wal
done
python3 - <<'PYTHON'
import struct
data = bytearray(open("v67.duckdb", "rb").read())
struct.pack_into("<Q", data, 12, 999)
def seal(at, size):
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", data[at + 8:at + size]):
        checksum ^= word * 0xBF58476D1CE4E5B9 % 2**64
    struct.pack_into("<Q", data, at, checksum)
for slot in (4096, 8192):
    struct.pack_into("<Q", data, slot + 8 + 48, 70)
    seal(slot, 4096)
seal(0, 4096)
open("v70.duckdb", "wb").write(data)
PYTHON
rm -f v70.duckdb.wal
expect 0 "$duckback" copy v70.duckdb seventy.duckdb
says "storage version 70"
expect 20 "$duckback" copy v70.duckdb seventy.duckdb --require-certified

# Case 33: a filesystem without locks.
if command -v strace >/dev/null && strace -f true 2>/dev/null; then
  make_database nolock.duckdb
  expect 0 strace -f -o trace -e inject=fcntl:error=ENOLCK "$duckback" copy nolock.duckdb thirtythree.duckdb
  [ "$(rows thirtythree.duckdb)" = 200000 ] || fail "case 33"
fi

# Case 36: names with spaces, quotes, unicode, through links: no SQL is made of them.
mkdir "o'dd; DROP TABLE t --"
odd="o'dd; DROP TABLE t --/quäck \"1\".duckdb"
make_database "$odd"
ln -s "$tmp/$odd" link.duckdb
expect 0 "$duckback" copy link.duckdb "$odd.copy" --verify full
expect 0 "$duckback" copy link.duckdb "$odd.logical" --method attach
[ "$(rows "$odd.logical")" = 200000 ] || fail "case 36"
exit 0
