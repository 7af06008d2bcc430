# check names what is damaged and which snapshots need it; what it read it remembers; the index is repaired.
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
value() { sql :memory: "SELECT $1 FROM read_json('out')"; }
flip() { printf 'x' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>dd.log; }
make_database app.duckdb
expect 0 "$duckback" init repo
export DUCKBACK_REPO="$tmp/repo"
expect 0 "$duckback" backup app.duckdb --compression off; first=$(cat out)
sql app.duckdb "INSERT INTO t SELECT i, 'more ' || i FROM range(200000) r(i); CHECKPOINT"
expect 0 "$duckback" backup app.duckdb --compression off; second=$(cat out)
expect 0 "$duckback" check
says "good: 2 snapshots"
says "were not read"
cp -r repo good

# What was read is remembered.
expect 0 "$duckback" check --read-data-subset 1/1 --json
packs=$(value packs_read)
[ "$packs" -ge 4 ] || fail "not all packs were read"
expect 0 "$duckback" check --max-age 1d --json
[ "$(value packs_read)" = 0 ] || fail "what was just read is read again"
expect 0 "$duckback" check --read-data --json
[ "$(value packs_read)" = "$packs" ] || fail "--read-data does not read all"
expect 0 "$duckback" check --read-data-subset 1% --json
[ "$(value "packs_read BETWEEN 1 AND 3")" = true ] || fail "a percent is not a few packs"
for bad in "--read-data-subset 0%" "--read-data-subset 3/2" "--read-data-subset x" "--max-age 3" "--read-data --read-data-subset 5%"; do
  expect 2 "$duckback" check $bad
  one_error
done

# A flipped byte of the second snapshot's blocks: only it is named, and the block.
largest=$(ls -S repo/packs/*/* | tail -n +1 | head -2)
pack=$(for p in $largest; do echo "$(stat -c '%Y.%y' "$p") $p"; done | sort | tail -1 | sed 's/.* //')
flip "$pack" 1000
expect 0 "$duckback" check
expect 14 "$duckback" check --read-data
grep -q "^packs/.*$(basename "$pack"): 1 of its .* chunks is damaged" out || fail "the pack is not named"
grep -qE "snapshot $(echo "$second" | cut -c1-8) of .*app.duckdb .*: block [0-9]+$" out || fail "the block is not named"
! grep -q "snapshot $(echo "$first" | cut -c1-8)" out || fail "a whole snapshot is named"
expect 14 "$duckback" check --read-data --json
[ "$(value 'findings[1].needed_by[1].block_count')" = 1 ] || fail "the JSON has not the block"
# With DuckDB also the table, if the block is of one (and not of the catalog).
export TMPDIR="$tmp/scratch"; mkdir scratch
expect 20 "$duckback" check --tables --libduckdb "$tmp/none.so"
named=0
for offset in 1000 300000 600000; do
  cp "good/${pack#repo/}" "$pack"; flip "$pack" $offset
  expect 14 "$duckback" check --read-data --json
  block=$(value 'findings[1].needed_by[1].blocks[1]')
  users=$(sql app.duckdb "SELECT count(*) FROM pragma_storage_info('t') WHERE block_id = $block")
  expect 14 "$duckback" check --read-data --tables --libduckdb "$lib"
  if [ "$users" = 0 ]; then
    ! grep -q 'known to be of' out || fail "a table is named for block $block"
    continue
  fi
  named=$((named + 1))
  grep -q '^    known to be of tables: main.t (1 block)$' out || fail "the table of block $block is not named"
  expect 14 "$duckback" check --read-data --tables --libduckdb "$lib" --json
  grep -qF "\"tables\":[{\"blocks\":1,\"schema\":\"main\",\"snapshot\":\"$second\",\"table\":\"t\"}]" out || fail "the table is not in the JSON"
done
[ "$named" -ge 2 ] || fail "of three blocks only $named are of the table"
only scratch ''
expect 0 "$duckback" restore "$first" --to first.duckdb
expect 14 "$duckback" restore "$second" --to second.duckdb

# It is remembered, so that the next backup stores it anew, and snapshots that need it are whole again.
expect 14 "$duckback" check
grep -q "$(basename "$pack"): 1 of its .* chunks is damaged" out || fail "the damage is forgotten"
expect 0 "$duckback" forget --keep-last 1 --dry-run
grep -q "^keep  *$(echo "$first" | cut -c1-8).*newest good snapshot" out || fail "the last whole snapshot may go"
cp -r repo damaged
expect 0 "$duckback" backup app.duckdb
says "stored anew"
expect 0 "$duckback" restore "$second" --to healed.duckdb
expect 0 "$duckback" restore "$second" --repo good --to was.duckdb
cmp healed.duckdb was.duckdb || fail "it healed wrong"
expect 14 "$duckback" check
grep -q 'no snapshot needs it' out || fail "it did not heal"
expect 0 "$duckback" prune --now
expect 0 "$duckback" check --read-data
[ -z "$(ls repo/damaged)" ] || fail "a note of what is gone is left"
rm -r repo; mv damaged repo

# A pack that is gone, or cut, is found without reading.
rm "$pack"
expect 14 "$duckback" check
grep -q "$(basename "$pack"): is missing" out || fail "the missing pack is not named"
grep -qE "snapshot $(echo "$second" | cut -c1-8)" out || fail "the snapshot is not named"
rm -r repo; cp -r good repo
chmod u+w "$pack"; truncate -s -5 "$pack"
expect 14 "$duckback" check
grep -qE "$(basename "$pack"): has [0-9]+ bytes, the index says" out || fail "the size is not said"

# Maps, snapshots, config: each is found and named.
rm -r repo; cp -r good repo
for p in repo/packs/*/*; do [ "$(od -An -tu1 -j8 -N1 "$p" | tr -d ' ')" != 2 ] || flip "$p" 50; done
expect 14 "$duckback" check
grep -q 'its headers\|a part of its map' out || fail "lost maps are not said"
rm -r repo; cp -r good repo
flip "$(find repo/snapshots -name "*-$first")" 60
expect 14 "$duckback" check
grep -q "^snapshots/.*$first" out || fail "the snapshot is not named"
rm -r repo; cp -r good repo
flip repo/config-copy 30
expect 14 "$duckback" check
grep -q "^config-copy.*config is whole and takes its place" out || fail "the copy of config is not named"
says "no snapshot lost anything"
expect 0 "$duckback" snapshots

# An index that is damaged or gone is made anew.
rm -r repo; cp -r good repo
for p in repo/index/*; do flip "$p" 100; done
expect 14 "$duckback" check
grep -q '^index/' out || fail "the index is not named"
expect 0 "$duckback" repair index --dry-run
expect 14 "$duckback" check
expect 0 "$duckback" repair index
expect 0 "$duckback" check --read-data
rm repo/index/*
expect 14 "$duckback" check
grep -q 'repair index' out || fail "the way out is not said"
expect 0 "$duckback" repair index --json
[ "$(value 'len(unreadable)')" = 0 ] || fail "a good pack is unreadable"
expect 0 "$duckback" check --read-data
expect 0 "$duckback" restore "$second" --to again.duckdb
[ "$(rows again.duckdb)" = 400000 ] || fail "not what it was"
truncate -s -5 "$pack"
expect 14 "$duckback" repair index
says "is kept"
expect 14 "$duckback" check
expect 0 "$duckback" restore "$second" --to without-directory.duckdb
[ "$(rows without-directory.duckdb)" = 400000 ] || fail "what is in a pack without directory is lost"
rm repo/index/*
expect 14 "$duckback" repair index
says "in no index"
expect 0 "$duckback" restore "$first" --to first-again.duckdb
expect 2 "$duckback" repair moon
