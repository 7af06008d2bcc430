# Snapshots go by rule, each with its reason, and come back until they are pruned.
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
value() { sql :memory: "SELECT $1 FROM read_json('out')"; }
make_database app.duckdb 1000
make_database other.duckdb 1000
expect 2 "$duckback" forget --keep-last 1
says "a folder of copies, or a repository"
expect 0 "$duckback" init repo
export DUCKBACK_REPO="$tmp/repo"
snapshot() { expect 0 "$duckback" backup "$@"; cat out; }
first=$(snapshot app.duckdb --tag release)
sql app.duckdb "INSERT INTO t VALUES (1, 'a')"
second=$(snapshot app.duckdb)
sql app.duckdb "INSERT INTO t VALUES (2, 'b')"
third=$(snapshot app.duckdb)
sql app.duckdb "INSERT INTO t VALUES (3, 'c')"
newest=$(snapshot app.duckdb)
other=$(snapshot other.duckdb)

# No rule, bad rules: nothing happens.
for bad in "" "--keep-last 0" "--keep-last x" "--keep-within 7" "--keep-last 1 --group-by moon" "--repo repo --keep-last 1 $first"; do
  expect 2 "$duckback" forget $bad
  one_error
done
expect 13 "$duckback" forget 12345678
expect 0 "$duckback" snapshots --json
[ "$(value 'count(*)')" = 5 ] || fail "a snapshot is gone"

expect 0 "$duckback" forget --keep-last 1 --keep-tag release --dry-run
grep -q "remove *$(echo "$second" | cut -c1-8).*no rule keeps it" out || fail "the removal is not announced"
grep -q "keep *$(echo "$first" | cut -c1-8).*tag release" out || fail "the tag is no reason"
says "nothing was changed"

# Quiet: what would be done is the result, what was done is not.
expect 0 "$duckback" forget --keep-last 9 --dry-run --quiet
grep -q "keep *$(echo "$first" | cut -c1-8)" out || fail "no table"
expect 0 "$duckback" forget --keep-last 9 --quiet
[ ! -s out ] && [ ! -s err ] || fail "not quiet"

# A pinned one stays, and so does the newest of every database, whatever is judged together.
expect 0 "$duckback" pin "$second"
pinned=$(cat out)
expect 0 "$duckback" forget --keep-last 1 --group-by host
grep -q "keep *$(echo "$pinned" | cut -c1-8).*pinned" out || fail "the pin is no reason"
grep -q "keep *$(echo "$newest" | cut -c1-8).*newest good snapshot" out || fail "the newest is not kept"
says "duckback undelete"
expect 0 "$duckback" snapshots --json
[ "$(value 'count(*)')" = 3 ] || fail "not those that were to be kept"

# By id: never a pinned one, never the newest good one.
expect 1 "$duckback" forget "$pinned"
says "duckback unpin"
expect 1 "$duckback" forget "$newest"
says "newest good"
expect 0 "$duckback" unpin "$pinned"
unpinned=$(cat out)
expect 0 "$duckback" restore "$second" --to by-its-first-id.duckdb
expect 0 "$duckback" forget "$unpinned" --json
[ "$(value 'snapshots[1].removed')" = true ] || fail "the JSON does not say so"

# What was forgotten is shown, and comes back.
expect 0 "$duckback" undelete --json
[ "$(value 'count(*)')" = 3 ] || fail "not all that was forgotten is shown"
expect 13 "$duckback" restore "$third" --to x.duckdb
expect 0 "$duckback" undelete "$third"
expect 0 "$duckback" restore "$third" --to third.duckdb
[ "$(rows third.duckdb)" = 1002 ] || fail "not what it was"
expect 0 "$duckback" undelete --all
expect 0 "$duckback" undelete
says "no snapshot can be brought back"
expect 13 "$duckback" undelete "$third"
expect 0 "$duckback" check --read-data

# Forgotten and pruned at once: gone for good.
expect 0 "$duckback" forget --keep-last 1 --prune --json
[ "$(value 'prune.snapshots')" = 2 ] || fail "prune is not told of"
expect 0 "$duckback" prune --now
expect 0 "$duckback" undelete
says "no snapshot can be brought back"
expect 0 "$duckback" check --read-data
expect 0 "$duckback" restore latest --database app.duckdb --to last.duckdb
[ "$(rows last.duckdb)" = 1003 ] || fail "the newest is not whole"

# A database whose newest snapshot is damaged keeps its older ones.
make_database sick.duckdb
snapshot sick.duckdb >/dev/null
snapshot sick.duckdb >/dev/null
printf 'xxxxxxxx' | dd of=sick.duckdb bs=1 seek=300000 conv=notrunc 2>dd.log
expect 4 "$duckback" backup sick.duckdb
expect 0 "$duckback" forget --keep-last 1 --database sick.duckdb
[ "$(grep -c 'the newest snapshot is damaged' out)" = 1 ] || fail "an old one is not protected"
[ "$(grep -c 'newest good snapshot' out)" = 1 ] || fail "the newest good one is not protected"
expect 0 "$duckback" snapshots --database sick.duckdb --json
[ "$(value 'count(*)')" = 3 ] || fail "one is gone"

# A snapshot that cannot be read: nothing of its database goes, but itself by its id.
printf 'x' | dd of="$(find repo/snapshots -name "*-$other")" bs=1 seek=60 conv=notrunc 2>dd.log
expect 14 "$duckback" forget --keep-last 1
says "not touched"
expect 14 "$duckback" prune
expect 0 "$duckback" forget "$other" --quiet
[ ! -s out ] && [ ! -s err ] || fail "not quiet about an id"
expect 0 "$duckback" prune

# A folder of copies that is none.
expect 1 "$duckback" forget repo --keep-last 1
says "is a repository: say --repo"
expect 0 "$duckback" list repo
