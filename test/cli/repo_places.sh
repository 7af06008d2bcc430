# list shows a repository as well; init keeps away from other things; an unfinished restore says so to everybody.
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
make_database app.duckdb 1000
echo secret >password
expect 0 "$duckback" init repo
expect 0 "$duckback" init safe --encrypt --password-file password
expect 0 "$duckback" backup app.duckdb --repo repo; id=$(cat out)
expect 0 "$duckback" backup app.duckdb --repo safe --password-file password
expect 0 "$duckback" snapshots --repo repo --json; cp out snapshots.json
expect 0 "$duckback" list repo --json
cmp out snapshots.json || fail "list shows something else"
expect 0 "$duckback" list safe --password-file password
grep -q app.duckdb out || fail "the encrypted one is not shown"
expect 2 "$duckback" list safe
says "--password-file"
# Two places, and two ways, that exclude each other.
expect 2 "$duckback" init one --repo other
expect 2 "$duckback" restore latest --force --delta

mkdir full empty half; : >full/letter.txt; mkdir half/keys "half/lost+found"
expect 1 "$duckback" init full
says "letter.txt"
only full letter.txt
expect 0 "$duckback" init empty
expect 0 "$duckback" init half
expect 0 "$duckback" backup app.duckdb --repo half
expect 1 "$duckback" init repo
says "there is a repository at"

# A database that has no snapshot, and what is not the repository's fault.
expect 13 "$duckback" restore latest --repo repo --database nosuch.duckdb --to back.duckdb
says "no snapshot of a database 'nosuch.duckdb'"
says "duckback snapshots"
"$duckback" snapshots --repo repo >/dev/full 2>err && fail "a result that nobody got passes for done"
[ $? = 1 ] || fail "not exit 1"
says "standard output"

# A repository that may be read only.
chmod -R go+rX repo
if [ "$(id -u)" = 0 ]; then
  chmod 755 "$tmp"; chmod 666 app.duckdb
  as_user="setpriv --reuid=65534 --regid=65534 --clear-groups"
else
  as_user=; chmod -R a-w repo
fi
if $as_user test -x "$duckback"; then
  expect 0 $as_user "$duckback" snapshots --repo repo
  expect 1 $as_user "$duckback" backup app.duckdb --repo repo
  one_error
  says "the repository at $tmp/repo can be read only"
  says "$tmp/repo/sessions is not writable for this user"
  expect 1 $as_user "$duckback" tag add "$id" x --repo repo
  says "can be read only"
fi
chmod -R u+w repo

# Stopped: what is left is said. The signal comes while the password is asked for.
stopped="kill -INT \$PPID; sleep 0.5; cat password"
expect 130 "$duckback" restore latest --repo safe --password-command "$stopped" --to stopped.duckdb
says "what was at the target is there as it was"
[ ! -e stopped.duckdb ] || fail "restored all the same"
expect 130 "$duckback" prune --repo safe --password-command "$stopped"
says "no snapshot has lost anything"

# What a kill in the middle of a restore leaves (repo_restore_killed.sh makes real ones).
cp app.duckdb part.duckdb
printf 'unfinished duckback file: a restore of snapshot 12345678 was stopped here; run the same `duckback restore` again\0' |
  dd of=part.duckdb conv=notrunc 2>dd.log
for command in inspect verify "backup --repo repo"; do
  "$duckback" $command part.duckdb >out 2>err && fail "$command takes it for a database"
  cat out err | grep -q 'is not complete: a restore of snapshot 12345678 was stopped here' || fail "$command does not say what it is"
done
expect 1 "$duckback" copy part.duckdb copy.duckdb
says "is not complete"
"$DUCKDB_RUN" "$lib" part.duckdb "SELECT 1" >answer 2>&1 && fail "DuckDB takes it for a database"
for version in "$DUCKBACK_DEPS"/libduckdb/*/libduckdb.so; do
  cp part.duckdb again.duckdb; cp app.duckdb again.duckdb.wal
  "$DUCKDB_RUN" "$version" again.duckdb "SELECT 1" >answer 2>&1 && fail "$version takes it for a database"
  cmp -s again.duckdb part.duckdb && cmp -s again.duckdb.wal app.duckdb || fail "$version changed it or its WAL"
done
expect 0 "$duckback" restore "$id" --repo repo --to part.duckdb
[ "$(rows part.duckdb)" = 1000 ] || fail "not the snapshot"
exit 0
