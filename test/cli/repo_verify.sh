# backup --verify: the snapshot is given back and opened before it counts; what that finds is said and marked.
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
value() { sql :memory: "SELECT $1 FROM read_json('out')"; }
newest() { expect 0 "$duckback" snapshots --json; value "$1" | tail -1; }
mkdir scratch; TMPDIR=$tmp/scratch; export TMPDIR
make_database_with_wal app.duckdb
expect 0 "$duckback" init repo
export DUCKBACK_REPO="$tmp/repo"
find repo -type f | sort >before
expect 20 "$duckback" backup app.duckdb --verify open --libduckdb "$tmp/none.so"
one_error
expect 20 "$duckback" backup app.duckdb --verify full --libduckdb "$tmp/none.so"
find repo -type f | sort >after
cmp -s before after || fail "something was stored without a library"
expect 2 "$duckback" backup app.duckdb --verify none
expect 0 "$duckback" backup app.duckdb
[ "$(newest verified)" = blocks ] || fail "not the usual level"

export DUCKBACK_LIBDUCKDB="$lib"
expect 0 "$duckback" backup app.duckdb --verify open --json
[ "$(value verified)" = open ] || fail "not verified"
[ "$(value 'tables[1].rows')" = 201000 ] || fail "the rows of the WAL are not counted"
expect 0 "$duckback" backup app.duckdb --verify full
says "201,000 rows, all read"
[ "$(newest 'verified')" = full ] || fail "the level is not recorded"
[ "$(newest 'tables[1].rows')" = 201000 ] || fail "the rows are not recorded"
[ "$(newest library_version)" = v1.5.6 ] || fail "the library is not recorded"
only scratch ''
[ -z "$(find . -name '*.duckback-*')" ] || fail "something is left"

# What DuckDB cannot open although every checksum is right: kept, marked, and the last good one stays.
make_database bad.duckdb
expect 0 "$duckback" backup bad.duckdb --verify open; good=$(cat out)
python3 - <<'PYTHON'
import struct
# A catalog root of noise under a right checksum.
data = bytearray(open("bad.duckdb", "rb").read())
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
open("bad.duckdb", "wb").write(data)
PYTHON
expect 18 "$duckback" backup bad.duckdb --verify open --json
grep -q '"code":"unverified"' err || fail "the JSON has not the error"
[ "$(value 'verified IS NULL AND failed IS NOT NULL AND tables IS NULL')" = true ] || fail "it claims to be verified"
bad=$(value id)
expect 0 "$duckback" snapshots
grep -q "^$(echo "$bad" | cut -c1-8) .*FAILED" out || fail "snapshots does not show it"
expect 0 "$duckback" restore "$bad" --to back.duckdb
says "failed its verification"
cmp -i 12288 bad.duckdb back.duckdb || fail "what was stored is not what was there"
expect 0 "$duckback" forget --keep-last 1 --database bad.duckdb --prune
[ -n "$(find repo/snapshots -name "*-$good")" ] || fail "the last good one is gone"
grep -q "newest good snapshot" out || fail "no reason"
# One database that fails holds up no other.
expect 3 "$duckback" backup bad.duckdb app.duckdb --verify open
expect 18 "$duckback" backup bad.duckdb --verify full

# An older DuckDB proves nothing about a newer file, and nothing against it.
old=$DUCKBACK_DEPS/libduckdb/1.2.2/libduckdb.so
if [ -e "$old" ]; then
  sql new.duckdb "SELECT 1"; rm -f new.duckdb
  sql :memory: "ATTACH 'new.duckdb' AS n (STORAGE_VERSION 'v1.5.0'); CREATE TABLE n.t AS SELECT 1 AS i"
  expect 0 "$duckback" backup new.duckdb --verify open --libduckdb "$old"
  says "this DuckDB cannot open it"
  ! grep -qi "corrupt\|damaged" err || fail "it is called damaged"
  [ "$(newest 'verified')" = blocks ] || fail "more is claimed than was proven"
fi

# Encrypted: opened with the key; without it nothing is claimed.
golden=$(dirname "$DUCKBACK_DEPS")/test/golden
cp "$golden/v68-gcm.duckdb" "$golden/v68-gcm.duckdb.wal" .
echo "a secret key" >key
expect 0 "$duckback" backup v68-gcm.duckdb --verify open
says "no key was given"
[ "$(newest 'verified IS NULL AND tables IS NULL')" = true ] || fail "more is claimed than was proven"
expect 0 "$duckback" backup v68-gcm.duckdb --verify open --key-file key
[ "$(newest 'verified')" = open ] || fail "it was not opened with its key"
[ "$(newest 'len(tables) > 0')" = true ] || fail "no tables"

encrypted=$("$duckback" snapshots --database v68-gcm.duckdb --json >out && value 'id' | head -1)
expect 2 "$duckback" diff "$encrypted" latest --database v68-gcm.duckdb --tables
says "give its key"
expect 0 "$duckback" diff "$encrypted" latest --database v68-gcm.duckdb --tables --key-file key
grep -q 'as many rows as before' out || fail "the tables are not compared"
! grep -rqF "a secret key" out err repo || fail "the key is shown"

# Tables of a database that is known by a name.
expect 0 "$duckback" backup app.duckdb --name prod
expect 0 "$duckback" diff "$(cat out)" latest --database prod --tables --json
grep -qF '"tables":[{"after":201000,"before":201000' out || fail "the tables of a named database"

# What a killed run left is gone after the next.
mkdir scratch/.scratch.duckback-abc123; : >scratch/.scratch.duckback-abc123/app.duckdb
expect 0 "$duckback" backup app.duckdb --verify open
only scratch ''

# A damaged source is not opened; it is exit 4 as ever.
printf 'xxxxxxxx' | dd of=app.duckdb bs=1 seek=300000 conv=notrunc 2>dd.log
expect 4 "$duckback" backup app.duckdb --verify open
says "because the database is damaged"
only scratch ''

# Scratch space: looked at before anything is read, and never in memory unless it was named.
if [ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=2m tmpfs small 2>/dev/null; then
  make_database big.duckdb 3000000
  find repo/packs -type f | sort >before
  "$duckback" backup big.duckdb --verify open --scratch small >out 2>err; status=$?
  TMPDIR=$tmp/small "$duckback" backup big.duckdb --verify open >out2 2>err2; by_accident=$?
  left=$(ls -A small)
  umount small
  find repo/packs -type f | sort >after
  [ $status = 17 ] || fail "exit $status instead of 17"
  says "scratch"
  [ $by_accident = 0 ] || fail "a folder in memory was used because it is \$TMPDIR: $(cat err2)"
  [ -z "$left" ] || fail "left: $left"
fi
exit 0
