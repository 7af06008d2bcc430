# What went wrong for real users and must not with a repository. The numbers are those of the collected cases;
# 8 is in repo_restore_killed.sh too, 19 in repo_resumes.sh, 35 with a failed verification in repo_verify.sh; 12 to 17, 20
# and 29 are as in real_failures.sh.
. "$(dirname "$0")/common.inc"
needs_library
export DUCKBACK_LIBDUCKDB=$lib
HOME=$tmp; export HOME
value() { sql :memory: "SELECT $1 FROM read_json('out')"; }
expect 0 "$duckback" init repo
export DUCKBACK_REPO="$tmp/repo"
snapshot() { expect 0 "$duckback" backup "$@"; cat out; }

# Case 8: a WAL without its database. DuckDB would delete it.
make_database_with_wal alone.duckdb
mkdir aside; mv alone.duckdb aside/
expect 1 "$duckback" backup alone.duckdb
says "Do not open alone.duckdb in DuckDB"
one_error
[ -s alone.duckdb.wal ] || fail "case 8: the WAL is gone"
mv aside/alone.duckdb .

# Case 9: what lies beside the target does not undo the snapshot, and is not lost.
make_database app.duckdb 1000
first=$(snapshot app.duckdb)
for there in yes no; do
  rm -rf to; mkdir to
  [ $there = no ] || cp alone.duckdb to/app.duckdb
  cp alone.duckdb.wal to/app.duckdb.wal
  cp alone.duckdb.wal to/app.duckdb.wal.checkpoint
  expect 0 "$duckback" restore "$first" --to to/app.duckdb $([ $there = no ] || echo --force)
  [ "$(rows to/app.duckdb)" = 1000 ] || fail "case 9: not the snapshot"
  [ ! -e to/app.duckdb.wal ] && [ ! -e to/app.duckdb.wal.checkpoint ] || fail "case 9: left beside it: $(ls to)"
  for kept in $(ls to/*pre-restore*); do
    case $kept in *.wal* | *.checkpoint*) cmp "$kept" alone.duckdb.wal ;; *) cmp "$kept" alone.duckdb ;; esac ||
      fail "case 9: $kept is not what was there"
  done
  [ "$(ls to | grep -c pre-restore)" = $([ $there = no ] && echo 2 || echo 3) ] || fail "case 9: not all is kept: $(ls to)"
done
# The database that was kept opens with its WAL.
rm -rf to; mkdir to; cp alone.duckdb alone.duckdb.wal to/
expect 0 "$duckback" restore "$first" --to to/alone.duckdb --force
[ "$(rows to/alone.duckdb.pre-restore-*[0-9])" = 201000 ] || fail "case 9: what was kept is not whole"

# Case 10: the target is open in another process.
make_database busy.duckdb 10
start_writer busy.duckdb
for how in --force --delta ""; do
  expect 11 "$duckback" restore "$first" --to busy.duckdb $how
  says "(pid $writer_pid)"
  one_error
done
tell "INSERT INTO t VALUES (1, 'later')"
exec 9>&-; wait "$writer_pid"; writer_pid=; rm -f to_writer from_writer
[ "$(rows busy.duckdb)" = 11 ] || fail "case 10: the open database was touched"

# Case 13: a flipped byte in the WAL. The snapshot ends at the last whole commit, and is marked.
make_database flipped.duckdb 10
"$DUCKDB_RUN" --crash "$lib" flipped.duckdb "INSERT INTO t SELECT i, 'one' FROM range(100) r(i);
INSERT INTO t SELECT i, 'two' FROM range(100) r(i)" >/dev/null || fail "writing"
commits=$("$duckback" inspect flipped.duckdb --json | grep -o '"commits":[0-9]*' | head -1 | cut -d: -f2)
printf 'x' | dd of=flipped.duckdb.wal bs=1 seek=$(($(stat -c %s flipped.duckdb.wal) - 300)) conv=notrunc 2>dd.log
expect 4 "$duckback" backup flipped.duckdb; flipped=$(cat out)
says "the entry at offset"
says "its WAL is damaged"
expect 0 "$duckback" restore "$flipped" --to flipped-back.duckdb
got=$(rows flipped-back.duckdb)
[ "$got" = 110 ] || { [ "$commits" = 1 ] && [ "$got" = 10 ]; } || fail "case 13: $got rows"

# Case 18: a database that suddenly holds next to nothing. The snapshot is made, it shows, and what was stays.
sql full.duckdb "CREATE TABLE t AS SELECT i, md5(i::VARCHAR) AS s FROM range(300000) r(i); CHECKPOINT"
full=$(snapshot full.duckdb)
sql full.duckdb "DELETE FROM t; CHECKPOINT"
expect 0 "$duckback" backup full.duckdb; empty=$(cat out)
says "in use, at the snapshot before"
for i in 1 2; do sql full.duckdb "INSERT INTO t VALUES ($i, 'x'); CHECKPOINT"; snapshot full.duckdb >/dev/null; done
expect 0 "$duckback" diff "$full" "$empty"
grep -qE '^used blocks  [0-9]+, before [0-9]+' out || fail "case 18: diff does not show it"
expect 0 "$duckback" snapshots --database full.duckdb
grep -q USED out || fail "case 18: snapshots does not show it"
expect 0 "$duckback" forget --keep-last 1 --database full.duckdb
grep -q "keep *$(echo "$full" | cut -c1-8).*before the database shrank" out || fail "case 18: the full one goes"
expect 0 "$duckback" restore "$full" --to full-back.duckdb
[ "$(rows full-back.duckdb)" = 300000 ] || fail "case 18: it is not whole"
sql full.duckdb "INSERT INTO t SELECT i, md5(i::VARCHAR) FROM range(300000) r(i); CHECKPOINT"
snapshot full.duckdb >/dev/null
expect 0 "$duckback" forget --keep-last 1 --database full.duckdb --dry-run
grep -q "remove *$(echo "$full" | cut -c1-8)" out || fail "case 18: kept though the database has grown again"
expect 0 "$duckback" forget "$full"

# Case 21: a WAL that cannot be replayed: the snapshot is made; without its WAL it is what was checkpointed.
make_database_with_wal app21.duckdb
wal=$(snapshot app21.duckdb)
expect 0 "$duckback" restore "$wal" --without-wal --to twentyone.duckdb
says "lacks the last commit"
[ "$(rows twentyone.duckdb)" = 200000 ] || fail "case 21"

# Case 22: a checkpointed file, where opening would have to replay a WAL.
expect 0 "$duckback" restore "$wal" --settle --to twentytwo.duckdb
[ ! -e twentytwo.duckdb.wal ] || fail "case 22: a WAL is left"
[ "$(rows twentytwo.duckdb)" = 201000 ] || fail "case 22: rows"

# Case 30: that an older DuckDB refuses it is said before it finds out.
sql "$tmp/new.duckdb" "ATTACH 'v68.duckdb' AS v (STORAGE_VERSION 'v1.5.0'); CREATE TABLE v.t AS SELECT 1 AS i; ATTACH 'v64.duckdb' AS o (STORAGE_VERSION 'v1.0.0'); CREATE TABLE o.t AS SELECT 1 AS i"
new=$(snapshot v68.duckdb); old=$(snapshot v64.duckdb)
expect 0 "$duckback" restore "$new" --to thirty.duckdb --quiet
says "needs DuckDB 1.5 or newer"
old_lib=$DUCKBACK_DEPS/libduckdb/1.4.5/libduckdb.so
[ ! -e "$old_lib" ] || ! "$DUCKDB_RUN" "$old_lib" thirty.duckdb "SELECT 1" >answer 2>&1 || fail "case 30: 1.4 opens it"
expect 0 "$duckback" restore "$old" --to thirty-old.duckdb
! grep -q "or newer" err || fail "case 30: a warning without need"

# Case 31: a small change costs little.
sql big.duckdb "CREATE TABLE t AS SELECT i, md5(i::VARCHAR) AS s, random() AS r FROM range(1500000) r(i); CHECKPOINT"
snapshot big.duckdb >/dev/null
size=$(stat -c %s big.duckdb)
for i in 1 2; do
  sql big.duckdb "INSERT INTO t SELECT i, md5(i::VARCHAR), random() FROM range(15000) r(i); CHECKPOINT"
  expect 0 "$duckback" backup big.duckdb --json
  [ "$(value "added_bytes < $size / 20")" = true ] || fail "case 31: 1 % more costs $(value added_bytes) of $size"
done
sql big.duckdb "UPDATE t SET s = 'changed' WHERE i = 700000; CHECKPOINT"
expect 0 "$duckback" backup big.duckdb --json
[ "$(value 'changed_blocks <= 20')" = true ] || fail "case 31: one row costs $(value changed_blocks) blocks"

# Case 38: dropped and made anew at the same path: the old one's snapshots are kept and come back.
make_database again.duckdb 5000
old=$(snapshot again.duckdb)
rm again.duckdb
make_database again.duckdb 7000
snapshot again.duckdb >/dev/null
sql again.duckdb "INSERT INTO t VALUES (1, 'x')"; snapshot again.duckdb >/dev/null
expect 0 "$duckback" forget --keep-last 1 --database again.duckdb
grep -q "keep *$(echo "$old" | cut -c1-8).*before the database was replaced" out || fail "case 38: the old one goes"
expect 0 "$duckback" restore "$old" --to again-back.duckdb
[ "$(rows again-back.duckdb)" = 5000 ] || fail "case 38: rows"
expect 0 "$duckback" restore latest --database again.duckdb --to again-new.duckdb
[ "$(rows again-new.duckdb)" = 7001 ] || fail "case 38: rows of the new one"

# Case 35: after a failed check nothing good goes, whatever is pruned.
make_database sick.duckdb; good=$(snapshot sick.duckdb)
printf 'xxxxxxxx' | dd of=sick.duckdb bs=1 seek=300000 conv=notrunc 2>dd.log
expect 4 "$duckback" backup sick.duckdb
expect 0 "$duckback" forget --keep-last 1 --prune
expect 0 "$duckback" prune --now
expect 0 "$duckback" restore "$good" --to sick-back.duckdb --force
[ "$(rows sick-back.duckdb)" = 200000 ] || fail "case 35"
expect 0 "$duckback" check --read-data
exit 0

# A pipe is no database, and no WAL: to open one would wait for somebody who writes to it.
make_database pipes.duckdb
mkfifo pipes.duckdb.wal pipe.duckdb
for name in pipes.duckdb pipe.duckdb; do
  expect 1 timeout 20 "$duckback" backup $name
  says "a pipe or a device"
  expect 1 timeout 20 "$duckback" copy $name copy-of-$name
done

# A name that is misspelled is no success.
for command in "snapshots" "stats" "forget --keep-last 1"; do
  expect 13 "$duckback" $command --database nosuch
  says "no snapshot of a database 'nosuch'"
done
