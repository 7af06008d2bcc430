# Spaces, quotes, unicode, a leading dash, links.
. "$(dirname "$0")/common.inc"
needs_library
export DUCKBACK_LIBDUCKDB=$lib
for name in "a b" "it's" 'say "hi"' 'semi;colon' 'dü🦆' '-dash' '%s $HOME `x`' 'back\slash'; do
  mkdir -p "./dir $name"
  make_database_with_wal "./dir $name/$name.duckdb"
  expect 0 "$duckback" copy --json -- "./dir $name/$name.duckdb" "./dir $name/copy of $name.duckdb"
  grep -q '"settled":true' out || fail "not one file: $name"
  [ "$(rows "./dir $name/copy of $name.duckdb")" = 201000 ] || fail "rows are missing: $name"
done
make_database real.duckdb
ln -s real.duckdb link.duckdb
ln -s real.duckdb.copy link.copy
: >real.duckdb.copy
expect 0 "$duckback" copy link.duckdb link.copy
[ -L link.copy ] || fail "the link was replaced"
[ "$(rows real.duckdb.copy)" = 200000 ] || fail "rows are missing"
