# Old copies go by rule, each with its reason; what is not ours or is the last good one stays.
. "$(dirname "$0")/common.inc"
needs_library
make_database app.duckdb 1000
mkdir to
for day in 1 2 3; do
  expect 0 "$duckback" copy app.duckdb to/$day.duckdb
  sed -i "s/\"time\": *\"[^\"]*\"/\"time\": \"2026-01-0${day}T12:00:00Z\"/" to/$day.duckdb.duckback.json
done
cp app.duckdb to/stray.duckdb
all="1.duckdb 1.duckdb.duckback.json 2.duckdb 2.duckdb.duckback.json 3.duckdb 3.duckdb.duckback.json stray.duckdb"

# No rule, bad rules: nothing happens.
for bad in "" "--keep-last 0" "--keep-last x" "--keep-last -1" "--keep-last 1.5" "--keep-within 7" \
  "--keep-within 7days" "--keep-within 0d" "--keep-fortnightly 1"; do
  expect 2 "$duckback" forget to $bad
  one_error
  only to $all
done
expect 1 "$duckback" forget missing --keep-last 1
expect 1 "$duckback" forget app.duckdb --keep-last 1
expect 2 "$duckback" forget --keep-last 1

expect 0 "$duckback" forget to --keep-last 2 --dry-run
grep -q 'remove.*1.duckdb.*no rule keeps it' out || fail "the removal is not announced"
grep -q 'keep.*3.duckdb.*last' out || fail "the reason is not shown"
says "nothing was changed"
only to $all
expect 0 "$duckback" forget to --keep-last 2 --dry-run --json
[ "$(sql :memory: "SELECT string_agg(keep, ' ' ORDER BY path) FROM read_json('out')")" = "false true true" ] ||
  fail "the JSON is not what read_json expects"

expect 0 "$duckback" forget to --keep-last 9 --quiet
[ ! -s out ] && [ ! -s err ] || fail "not quiet"

# Rules are ORed; within is counted from the newest copy, years ago or not.
expect 0 "$duckback" forget to --keep-last 1 --keep-within 1d12h
only to 2.duckdb 2.duckdb.duckback.json 3.duckdb 3.duckdb.duckback.json stray.duckdb
grep -q 'keep.*2.duckdb.*within 1d12h' out || fail "the reason is not shown"

# Case 35: after a failed verification of the newest, the last good one stays.
printf 'x' | dd of=to/3.duckdb bs=1 seek=20000 conv=notrunc 2>dd.log
expect 18 "$duckback" verify to/3.duckdb
expect 0 "$duckback" forget to --keep-last 1
grep -q 'keep.*2.duckdb.*newest good copy' out || fail "the newest good copy is not protected"
only to 2.duckdb 2.duckdb.duckback.json 3.duckdb 3.duckdb.duckback.json stray.duckdb

# A copy that somebody changed is not ours any more, be it as large as before.
mkdir same
expect 0 "$duckback" copy app.duckdb same/1.duckdb
expect 0 "$duckback" copy app.duckdb same/2.duckdb
printf 'x' | dd of=same/1.duckdb bs=1 seek=20000 conv=notrunc 2>dd.log
expect 0 "$duckback" forget same --keep-last 1
grep -q 'keep.*1.duckdb.*not as written' out || fail "a changed copy of the same size is not kept"
only same 1.duckdb 1.duckdb.duckback.json 2.duckdb 2.duckdb.duckback.json
expect 0 "$duckback" copy app.duckdb to/4.duckdb
sql to/2.duckdb "INSERT INTO t SELECT i, 'x' FROM range(500000) r(i)"
expect 0 "$duckback" forget to --keep-last 1
[ -e to/2.duckdb ] || fail "a changed copy was removed"
grep -q 'keep.*2.duckdb.*not as written' out || fail "the reason is not shown"
only to 2.duckdb 2.duckdb.duckback.json 4.duckdb 4.duckdb.duckback.json stray.duckdb
