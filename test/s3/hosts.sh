# Several hosts back up to one repository at once, the same database too, while another one forgets and prunes.
. "$(dirname "$0")/s3.inc"
export DUCKBACK_REPO=s3://hosts/repo
# A command of host $1; where this machine lets nobody call it otherwise, hosts differ in their HOME only.
if unshare --uts true 2>/dev/null; then
  on() { HOME=$tmp/$1 unshare --uts sh -c 'hostname "$0" && exec "$@"' "$@"; }
else
  on() { HOME=$tmp/$1; shift; "$@"; }
fi
content() { sql "$1" "SELECT count(*) || ' ' || bit_xor(hash(i, s)) FROM t"; }

# A host adds rows to its database and backs it up under its own path and under a name that all share; what each snapshot
# must hold goes to `made`.
host() {
  cd "$tmp/$1" || exit 1
  for round in 1 2 3; do
    sql app.duckdb "INSERT INTO t SELECT i, '$1 in $round ' || i FROM range(30000) r(i); CHECKPOINT"
    content=$(content app.duckdb)
    for named in "" "--name shared"; do
      expect 0 on "$1" "$duckback" backup app.duckdb $named
      echo "$(cat out) $content" >>made
    done
    tail -2 made | head -1 >newest
  done
}
# Until all hosts are done.
keep_house() {
  mkdir -p "$tmp/keeper" && cd "$tmp/keeper" || exit 1
  while [ ! -e "$tmp/done" ]; do
    expect 0 on keeper "$duckback" forget --keep-last 2
    expect 0 on keeper "$duckback" prune
    # Not while anybody has a session.
    on keeper "$duckback" prune --now >out 2>err; status=$?
    [ $status = 0 ] || [ $status = 11 ] || fail "prune --now ends with $status"
  done
}
expect 0 "$duckback" init
make_database app.duckdb
hosts="one two three"
for name in $hosts; do mkdir "$name"; cp app.duckdb "$name/"; done
keep_house & keeper=$!
pids=
for name in $hosts; do host "$name" & pids="$pids $!"; done
failed=
for pid in $pids; do wait "$pid" || failed=yes; done
: >done
wait $keeper || failed=yes
[ -z "$failed" ] || { rm -f out err; fail "of those at once"; }

expect 0 "$duckback" check --read-data
[ "$(count repo/sessions/)$(count repo/.duckback/)$(uploads)" = 000 ] || fail "something is left: $(objects repo/)"
# The newest of each database is there, and all that is there, or comes back, is what it was.
for name in $hosts; do
  expect 0 "$duckback" snapshots --json
  grep -q "\"id\":\"$(cut -d' ' -f1 "$name/newest")\"" out || fail "the newest of $name is lost"
done
"$duckback" undelete --all >out 2>err
expect 0 "$duckback" snapshots --json
value id >ids
[ "$(wc -l <ids)" -ge 5 ] || fail "too few snapshots are left"
while read -r id; do
  expect 0 "$duckback" restore "$id" --to back.duckdb --force
  grep -qx "$id $(content back.duckdb)" ./*/made || fail "snapshot $id is not what was backed up"
  rm -f back.duckdb*
done <ids

# While one writes, nothing is removed at once; the refusal says who.
sql slow.duckdb "CREATE TABLE t AS SELECT uuid() AS i, 'slow' AS s FROM range(100000); CHECKPOINT"
"$duckback" backup slow.duckdb --repo "$DUCKBACK_REPO?bytes_per_second=100000" >slow 2>&1 & slow=$!
until [ "$(count repo/sessions/)" != 0 ]; do kill -0 $slow 2>/dev/null || fail "the slow one had no session"; done
kill -STOP $slow
[ "$(count repo/sessions/)" != 0 ] || fail "the slow one was too fast"
expect 0 on keeper "$duckback" forget --keep-last 1
expect 11 on keeper "$duckback" prune --now
says "a backup on $(hostname)"
[ "$(wc -l <err)$(wc -c <out)" = 10 ] || fail "it says more than that: $(cat out err)"
expect 0 on keeper "$duckback" prune
kill -KILL $slow; wait $slow 2>/dev/null
# Who runs where it ran sees that it has ended.
expect 0 "$duckback" prune --now
expect 0 "$duckback" check --read-data
[ "$(count repo/trash/packs/)$(count repo/trash/snapshots/)$(count repo/sessions/)" = 000 ] ||
  fail "something is left: $(objects repo/)"
