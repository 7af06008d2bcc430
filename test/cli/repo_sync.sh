# sync copies what another repository lacks, under its own ids, and no more than that.
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
value() { sql :memory: "SELECT $1 FROM read_json('out')"; }
echo secret >password
make_database app.duckdb
make_database_with_wal wal.duckdb
expect 0 "$duckback" init repo
expect 0 "$duckback" init safe --encrypt --password-file password
export DUCKBACK_REPO="$tmp/repo"
expect 0 "$duckback" backup app.duckdb --tag a; first=$(cat out)
expect 0 "$duckback" restore "$first" --to first.duckdb
sql app.duckdb "INSERT INTO t SELECT i, 'more ' || i FROM range(200000) r(i); CHECKPOINT"
expect 0 "$duckback" backup app.duckdb wal.duckdb

expect 2 "$duckback" sync safe
says "--to-password-file"
expect 0 "$duckback" sync safe --to-password-file password --dry-run --json
[ "$(value 'len(copied)')" = 3 ] || fail "not all would be copied"
expect 0 "$duckback" snapshots --repo safe --password-file password --json
[ "$(cat out)" = "[]" ] || fail "the dry run copied"
expect 0 "$duckback" sync safe --to-password-file password --json
[ "$(value 'len(copied)')" = 3 ] || fail "not all were copied"
[ "$(value 'copied[2].added_bytes < copied[2].bytes')" = true ] || fail "what did not change was stored again"
expect 0 "$duckback" check --repo safe --password-file password --read-data
expect 0 "$duckback" restore "$first" --repo safe --password-file password --to again.duckdb
cmp again.duckdb first.duckdb || fail "not the same bytes"
expect 0 "$duckback" restore latest --database wal.duckdb --repo safe --password-file password --to wal-again.duckdb
[ "$(rows wal-again.duckdb)" = 201000 ] || fail "the WAL was not copied"

# Again: nothing, also after one was tagged; then only what is new.
expect 0 "$duckback" tag add "$first" b
expect 0 "$duckback" sync safe --to-password-file password --json
[ "$(value "len(copied) || ' ' || there")" = "0 3" ] || fail "copied again"
sql app.duckdb "INSERT INTO t VALUES (1, 'one'); CHECKPOINT"
expect 0 "$duckback" backup app.duckdb
expect 0 "$duckback" sync safe --to-password-file password --json
[ "$(value "len(copied) || ' ' || there")" = "1 3" ] || fail "not only the new one"
expect 0 "$duckback" check --repo safe --password-file password --read-data

# From an encrypted one in plain text only when asked.
expect 0 "$duckback" init plain
expect 1 "$duckback" sync plain --repo safe --password-file password
says "--decrypt"
expect 0 "$duckback" sync plain --repo safe --password-file password --decrypt
expect 0 "$duckback" check --repo plain --read-data
expect 1 "$duckback" sync repo
says "same repository"
expect 10 "$duckback" sync nowhere

expect 1 "$duckback" sync ../"$(basename "$tmp")"/repo
says "same repository"
# A copy of its folder is another repository, which comes back to the same.
cp -r repo mirror
sql app.duckdb "INSERT INTO t VALUES (2, 'two'); CHECKPOINT"
expect 0 "$duckback" backup app.duckdb
pack=$(ls -S mirror/packs/*/* | head -1)
printf 'xxxx' | dd of="$pack" bs=1 seek=1000 conv=notrunc 2>dd.log
expect 14 "$duckback" check --repo mirror --read-data
grep -q '^DAMAGED' err || fail "not called damaged"
expect 0 "$duckback" sync mirror --json
[ "$(value "len(copied) || ' ' || (len(healed) > 0)")" = "1 true" ] || fail "the mirror did not become whole"
expect 14 "$duckback" check --repo mirror --read-data
says "no snapshot lost anything"
expect 0 "$duckback" restore latest --repo mirror --database app.duckdb --to mirrored.duckdb
[ "$(rows mirrored.duckdb)" = 400002 ] || fail "not what was backed up"

# A damaged snapshot is not copied, the others are.
expect 0 "$duckback" init half
pack=$(ls -S repo/packs/*/* | head -1)
printf 'xxxx' | dd of="$pack" bs=1 seek=1000 conv=notrunc 2>dd.log
expect 14 "$duckback" sync half
says "could not be copied"
expect 0 "$duckback" check --repo half --read-data

# What a repository lost comes back from one that is whole.
expect 14 "$duckback" check --read-data
unset DUCKBACK_REPO
expect 0 "$duckback" sync repo --repo safe --password-file password --decrypt
says "made whole"
expect 0 "$duckback" sync repo --repo safe --password-file password --decrypt --json
[ "$(value "len(healed) || ' ' || there")" = "0 4" ] || fail "it heals what is whole"
expect 0 "$duckback" restore latest --repo repo --database app.duckdb --to whole.duckdb
