# Tags are changed by a new snapshot object; the id it had still finds it.
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
value() { sql :memory: "SELECT $1 FROM read_json('out')"; }
make_database app.duckdb 1000
expect 0 "$duckback" init repo
export DUCKBACK_REPO="$tmp/repo"
expect 0 "$duckback" backup app.duckdb --tag one; first=$(cat out)
expect 0 "$duckback" tag add "$first" two three
second=$(cat out)
[ "$first" != "$second" ] || fail "it has the same id"
expect 0 "$duckback" snapshots --json
[ "$(value "count(*) || ' ' || any_value(tags::VARCHAR)")" = '1 [one, two, three]' ] || fail "not the tags"
expect 0 "$duckback" tag remove three one; [ "$(cat out)" != "$second" ] || fail "nothing changed"
expect 0 "$duckback" tag add "$first" two
says "stays as it is"
expect 0 "$duckback" tag set "$first"
expect 0 "$duckback" snapshots --json
[ "$(value 'len(tags)')" = 0 ] || fail "not all tags are gone"
[ "$(value 'original')" = "$first" ] || fail "its first id is lost"
expect 0 "$duckback" pin latest
expect 0 "$duckback" snapshots
grep -q '(pinned)' out || fail "the pin is not shown"
expect 0 "$duckback" unpin "$first" --json
[ "$(value 'pinned')" = false ] || fail "still pinned"
expect 0 "$duckback" restore "$first" --to again.duckdb
expect 0 "$duckback" check --read-data
expect 2 "$duckback" tag add "$first"
# What means another thing where a snapshot is named, or cannot be shown, is no tag.
newline=$(printf 'a\nb')
long=$(printf '%0101d' 0 | tr 0 x)
for bad in "" "$long" latest latest~2 @2026-11-22 beef 20261122 a,b "$newline"; do
  expect 2 "$duckback" tag add "$first" "$bad"
  one_error
  expect 2 "$duckback" tag set "$first" good "$bad"
  expect 2 "$duckback" backup app.duckdb --tag "$bad"
  says "is no tag"
done
expect 0 "$duckback" tag remove "$first" latest beef "$newline"
expect 0 "$duckback" tag set "$first" v20261122 bee latest-release "two words"
expect 0 "$duckback" tag set "$first"
expect 2 "$duckback" backup app.duckdb --name ""
expect 2 "$duckback" copy app.duckdb copy.duckdb --name ""
for bad in nan inf -inf -1 1e9 x; do
  expect 2 "$duckback" backup app.duckdb --timeout "$bad"
  expect 2 "$duckback" copy app.duckdb copy.duckdb --timeout "$bad"
done
expect 2 "$duckback" tag paint "$first" red
expect 13 "$duckback" tag add 12345678 x
# An untouched database is still known as such.
expect 0 "$duckback" backup app.duckdb --json
[ "$(value "parent <> ''")" = true ] || fail "it has no parent"
