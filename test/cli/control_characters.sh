# Names may hold line breaks and what a terminal obeys: they are shown written out, and only the resulting path is exact.
. "$(dirname "$0")/common.inc"
needs_library
export DUCKBACK_LIBDUCKDB=$lib
odd=$(printf 'new\nline\033[31m')
make_database "$odd.duckdb" 1000
sql "$odd.duckdb" "CREATE TABLE \"t$(printf '\033')[32m\" AS SELECT 1 AS i; CHECKPOINT"
mkdir to

# Runs a command that must fail or not as said, and looks for raw control characters in its output.
clean() {
  expect "$@"
  for output in out err; do
    if LC_ALL=C tr -d '\n' <$output | LC_ALL=C grep -q '[[:cntrl:]]'; then fail "control characters in $output: $*"; fi
    if grep -q '^line' $output; then fail "a line break in $output: $*"; fi
  done
}
expect 0 "$duckback" copy "$odd.duckdb" "to/$odd.duckdb" --verify open
[ "$(cat out)" = "$(pwd -P)/to/$odd.duckdb" ] || fail "the path is not exact"
says 'new\nline\x1b[31m.duckdb'
cp "$odd.duckdb" "to/stray $odd.duckdb"

clean 0 "$duckback" list to
grep -qF 'new\nline\x1b[31m.duckdb' out || fail "list does not show the name"
grep -qF 'stray new\nline' out || fail "list does not show the stray database"
clean 0 "$duckback" verify to --open
clean 0 "$duckback" inspect "$odd.duckdb"
clean 0 "$duckback" forget to --keep-last 1
clean 1 "$duckback" copy "missing $odd" to/
clean 2 "$duckback" "$odd"
clean 2 "$duckback" copy "$odd.duckdb" to/ --verify "$odd"
clean 2 "$duckback" copy "$odd.duckdb" to/ "--$odd"
clean 1 "$backup_duckdb" --db "missing $odd" --backup to/
# JSON escapes by itself.
clean 0 "$duckback" list to --json
clean 0 "$duckback" copy "$odd.duckdb" to/json.duckdb --json --verify open
grep -qF 'new\nline\u001b[31m' out || fail "not as JSON escapes it"

# Also where the row counts of a table with such a name differ.
sed 's/"rows": *1\([,}]\)/"rows": 7\1/; s/"rows": *1$/"rows": 7/' to/json.duckdb.duckback.json >record
cat record >to/json.duckdb.duckback.json
clean 18 "$duckback" verify to/json.duckdb --open
grep -qF 't\x1b[32m has 1 rows, 7 when' out || fail "the table is not shown"
