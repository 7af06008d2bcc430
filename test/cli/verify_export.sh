# An export is a folder of Parquet files: listed, its sizes checked and no more claimed, forgotten.
. "$(dirname "$0")/common.inc"
needs_library
export DUCKBACK_LIBDUCKDB="$lib"
make_database app.duckdb 1000
mkdir to
for name in one two; do
  expect 0 "$duckback" copy app.duckdb to/$name --method export
  sleep 1  # times are whole seconds
done
expect 0 "$duckback" verify to
[ "$(grep -c 'only their sizes are checked' out)" = 2 ] || fail "the limits are not said"
# Neither another export nor a copy goes into it.
for into in to/one to/one/; do
  for method in export cp attach; do
    expect 1 "$duckback" copy app.duckdb $into --method $method
    one_error; says "holds an exported database"
  done
done
expect 0 "$duckback" verify to/*
[ "$(grep -c ': good' out)" = 2 ] || fail "not each export once"
if grep -q hash out; then fail "a hash is claimed that was not made"; fi
echo more >>to/two/t.parquet
expect 18 "$duckback" verify to
expect 0 "$duckback" forget to --keep-last 1
only to one one.duckback.json two two.duckback.json
rm -r to/two to/two.duckback.json
expect 0 "$duckback" copy app.duckdb to/three --method export
expect 0 "$duckback" forget to --keep-last 1
only to three three.duckback.json
