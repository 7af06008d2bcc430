# inspect shows a database that is closed, in use or damaged, and disturbs nobody.
. "$(dirname "$0")/common.inc"
needs_library
make_database_with_wal app.duckdb
before=$(stat -c '%Y %Z %s' app.duckdb app.duckdb.wal)
expect 0 "$duckback" inspect app.duckdb
grep -q '^storage version *64, needs DuckDB 1.0' out || fail "no storage version"
grep -qE '^WAL .* 1 commit up to' out || fail "no WAL"
grep -q 'cannot be proven' out || fail "no pairing"
grep -q 'nobody holds a lock' out || fail "no lock state"
[ "$(stat -c '%Y %Z %s' app.duckdb app.duckdb.wal)" = "$before" ] || fail "something was changed"

# Case 29: storage versions and block sizes.
for version in v1.0.0:64 v1.2.0:65 v1.3.0:66 v1.4.0:67 v1.5.0:68; do
  for size in 16384 262144; do
    name=${version%%:*}-$size.duckdb
    sql :memory: "ATTACH '$name' AS m (STORAGE_VERSION '${version%%:*}', BLOCK_SIZE $size); CREATE TABLE m.t AS SELECT i FROM range(50000) r(i); CHECKPOINT m"
    expect 0 "$duckback" inspect "$name" --json
    [ "$(sql :memory: "SELECT storage_version, block_bytes FROM read_json('out')")" = \
      "$(printf '%s\t%s' "${version##*:}" "$size")" ] || fail "$name is shown wrongly"
  done
done

# Case 32: a bloated file shows how much of it is used.
sql bloat.duckdb "CREATE TABLE a AS SELECT i, hash(i) AS h FROM range(500000) r(i); CREATE TABLE b AS SELECT 1 AS x; CHECKPOINT; DROP TABLE a; CHECKPOINT"
expect 0 "$duckback" inspect bloat.duckdb --json
"$DUCKDB_RUN" "$lib" :memory: "SELECT blocks.used + blocks.free = blocks.total FROM read_json('out')" | grep -q true ||
  fail "used and free blocks do not add up"

start_writer app.duckdb
expect 0 "$duckback" inspect app.duckdb
grep -qE "^in use +.*\(pid $writer_pid\) holds the lock for writing" out || fail "the writer is not named"
tell "CREATE TABLE after (i INTEGER)"
if "$DUCKDB_RUN" "$lib" app.duckdb "SELECT 1" >second 2>&1; then fail "the writer's lock is gone"; fi  # case 11
exec 9>&-; wait "$writer_pid"; writer_pid=

printf 'x' | dd of=bloat.duckdb bs=1 seek=4200 conv=notrunc 2>dd.log
expect 4 "$duckback" inspect bloat.duckdb
says "database header 1 (offset 4096): its checksum is wrong"
head -c 3000 app.duckdb >cut.duckdb
expect 4 "$duckback" inspect cut.duckdb

: >zero.duckdb
for bad in zero.duckdb missing.duckdb .; do expect 1 "$duckback" inspect $bad; one_error; done
rm app.duckdb
[ -e app.duckdb.wal ] || cp /dev/null app.duckdb.wal
expect 1 "$duckback" inspect app.duckdb
says "do not open"  # case 8
expect 2 "$duckback" inspect
