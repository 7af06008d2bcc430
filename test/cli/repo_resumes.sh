# Case 19: a full disk, or a kill at any moment of a backup, leaves no half snapshot; the next run goes on with
# what was stored, and the repository checks clean.
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
value() { sql :memory: "SELECT $1 FROM read_json('out')"; }
# Random numbers do not compress: four packs and more.
sql app.duckdb "CREATE TABLE t AS SELECT uuid() AS a, uuid() AS b, uuid() AS c FROM range(3200000) r(i); CHECKPOINT"
bytes=$(stat -c %s app.duckdb)
[ "$bytes" -gt 140000000 ] || fail "the database is small"

# Killed when it puts its third pack: the first two are found by the next run, though no index tells of them.
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
  expect 0 "$duckback" init repo
  strace -f -o trace -e trace=renameat2,rename -e inject=renameat2,rename:signal=KILL:when=5 \
    "$duckback" backup app.duckdb --repo repo --compression off >out 2>err && fail "it was not killed"
  stored=$(find repo/packs -type f -size +1M ! -name '.*' | wc -l)
  [ "$stored" -ge 1 ] || fail "nothing was stored before the kill"
  expect 0 "$duckback" snapshots --repo repo --json
  [ "$(cat out)" = "[]" ] || fail "half a snapshot is listed"
  expect 0 "$duckback" check --repo repo --read-data
  [ "$(ls repo/sessions | wc -l)" = 1 ] || fail "no session was left"
  expect 0 "$duckback" backup app.duckdb --repo repo --compression off --json
  added=$(value added_bytes)
  [ "$added" -lt $((bytes - stored * 25000000)) ] || fail "$added of $bytes bytes were stored again, though $stored packs were there"
  [ "$(ls repo/sessions | wc -l)" = 0 ] || fail "the session of the killed one is left"
  expect 0 "$duckback" check --repo repo --read-data
  expect 0 "$duckback" restore latest --repo repo --to back.duckdb
  cmp -i 12288 back.duckdb app.duckdb || fail "not what it was"
  # What it was writing goes with a prune, a week later.
  left() { find repo/packs -name '.*.duckback-*'; }
  [ -n "$(left)" ] || fail "no file was left"
  expect 0 "$duckback" prune --repo repo
  [ -n "$(left)" ] || fail "what may still be written is gone"
  left | xargs touch -d '8 days ago'
  expect 0 "$duckback" prune --repo repo
  [ -z "$(left)" ] || fail "of a killed backup is left: $(left)"
  # A prune beside nothing but dead sessions waits for nobody.
  strace -f -o trace -e trace=renameat2,rename -e inject=renameat2,rename:signal=KILL:when=2 \
    "$duckback" backup app.duckdb --name other --repo repo >out 2>err && fail "it was not killed"
  [ "$(ls repo/sessions | wc -l)" = 1 ] || fail "no session was left"
  expect 0 "$duckback" prune --now --repo repo
  [ "$(ls repo/sessions | wc -l)" = 0 ] || fail "the dead session is left"
  # One from a container of the same host name: nobody here can tell whether it lives.
  if unshare --pid --fork --mount-proc true 2>/dev/null; then
    unshare --pid --fork --mount-proc strace -f -o trace -e trace=renameat2,rename \
      -e inject=renameat2,rename:signal=KILL:when=2 \
      "$duckback" backup app.duckdb --name other --repo repo >out 2>err && fail "it was not killed"
    expect 11 "$duckback" prune --now --repo repo
    session=sessions/$(ls repo/sessions)
    says "a backup on $(hostname)"
    says "$session"
    rm "repo/$session"
    expect 0 "$duckback" prune --now --repo repo
  fi
fi

[ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=90m tmpfs small 2>/dev/null ||
  { echo "no mount: the full disk is not tried"; exit 0; }
trap 'umount small 2>/dev/null; finish' EXIT
"$duckback" init small/repo 2>err || fail "init"
"$duckback" backup app.duckdb --repo small/repo --compression off >out 2>err; status=$?
[ $status = 17 ] || fail "exit $status instead of 17"
one_error
expect 0 "$duckback" snapshots --repo small/repo --json
[ "$(cat out)" = "[]" ] || fail "half a snapshot is listed"
expect 0 "$duckback" check --repo small/repo --read-data
stored=$(find small/repo/packs -type f -size +1M ! -name '.*' | wc -l)
[ "$stored" -ge 1 ] || fail "nothing was stored before the disk was full"
mount -o remount,size=400m small || fail "remount"
expect 0 "$duckback" backup app.duckdb --repo small/repo --compression off --json
added=$(value added_bytes)
[ "$added" -lt $((bytes - stored * 25000000)) ] || fail "$added of $bytes bytes were stored again, though $stored packs were there"
expect 0 "$duckback" check --repo small/repo --read-data
exit 0
