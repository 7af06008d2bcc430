# A process that is killed, whatever the server has just done for it: what was there stays, the next run succeeds, and
# what was left is gone then.
. "$(dirname "$0")/s3.inc"
# Without a cache every command asks the server for all that it needs.
touch no-cache; XDG_CACHE_HOME=$tmp/no-cache; export XDG_CACHE_HOME
repo=s3://killed/repo
export DUCKBACK_REPO=$repo
# ended_at SIGNAL REQUEST ARGUMENT…: the server does the first request that matches ("REQUEST, the second": the one after
# it) and falls silent; then duckback gets the signal.
ended_at() {
  signal=$1 moment=$2; shift 2
  case $moment in *", the second") every=2 ;; *) every=1 ;; esac
  faults "{\"faults\": [\"silent\"], \"match\": \"${moment%, the second}\", \"every\": $every, \"times\": 1}"
  $faulty "$duckback" "$@" >out 2>err & victim=$!
  until curl -sf "$DUCKBACK_TEST_S3_CONTROL" | grep -q fell_silent; do
    kill -0 $victim 2>/dev/null || fail "$moment: it ended before"
    sleep 0.05
  done
  kill -$signal $victim; wait $victim 2>/dev/null; status=$?
  faults '{}'
}
killed_at() { ended_at KILL "$@"; }
snapshots() { expect 0 "$duckback" snapshots --json; value 'count(*)'; }
newest() { expect 0 "$duckback" snapshots --database app.duckdb --json; value id | tail -1; }
added() { value added_bytes; }
# All is whole, and $first is what it was.
whole() {
  expect 0 "$duckback" check --read-data
  rm -f first-again.duckdb*
  expect 0 "$duckback" restore "$first" --to first-again.duckdb
  cmp first.duckdb first-again.duckdb || fail "$moment: the first snapshot is not what it was"
  [ "$(uploads)$(count repo/.duckback/)" = 00 ] || fail "$moment: something is left"
}
nobody_left() { [ "$(count repo/sessions/)" = 0 ] || fail "$moment: a session is left"; }

# init: it goes on with what it left.
for moment in '^PUT .*keys/' '^PUT .*keys-copy/' '^PUT .*/config-copy'; do
  echo secret >password
  killed_at "$moment" init --repo s3://killed/init --encrypt --password-file password
  "$duckback" init --repo s3://killed/init --encrypt --password-file password >out 2>err ||
    says "there is a repository"
  expect 0 "$duckback" snapshots --repo s3://killed/init --password-file password
  for key in $(objects init/); do s3 DELETE "killed/$key" || fail "cannot remove $key"; done
done

# backup: while it uploads, what it had stored is found by the next run.
expect 0 "$duckback" init
make_database app.duckdb
expect 0 "$duckback" backup app.duckdb; first=$(cat out)
expect 0 "$duckback" restore "$first" --to first.duckdb
sql big.duckdb "CREATE TABLE t AS SELECT uuid() AS a, uuid() AS b FROM range(2000000) r(i); CHECKPOINT"
bytes=$(stat -c %s big.duckdb)
moment="while it uploads"
before=$(count repo/packs/)
"$duckback" backup big.duckdb --compression off --repo "$repo?bytes_per_second=10000000" >out 2>err & victim=$!
until [ "$(count repo/packs/)" -gt "$before" ]; do kill -0 $victim 2>/dev/null || fail "nothing was stored"; done
kill -9 $victim; wait $victim 2>/dev/null
stored=$(($(count repo/packs/) - before))
[ "$(snapshots)" = 1 ] || fail "half a snapshot is listed"
whole
expect 0 "$duckback" backup big.duckdb --compression off --json
[ "$(added)" -lt $((bytes - stored * 25000000)) ] || fail "$(added) of $bytes bytes were stored again after $stored packs"
nobody_left
whole

# copy: what a process sent before it was killed is not sent again, if the database still has it; to a name that is the
# same. Once more with rows that changed, then begun with another setting, which the upload would not get.
size=$(stat -c %s big.duckdb)
copied() { # SETTINGS CONDITION
  killed_at 'PUT .*partNumber, the second' copy big.duckdb s3://killed/copies/big.duckdb
  [ "$(uploads)" = 1 ] || fail "nothing was left to go on with"
  [ "$1" != changed ] || sql big.duckdb "UPDATE t SET a = b WHERE rowid < 3; CHECKPOINT"
  expect 0 "$duckback" copy big.duckdb "s3://killed/copies/big.duckdb${1#changed}" --stats --json
  [ "$(value "traffic.bytes_sent - $size $2")" = true ] || fail "copied $1: $(value traffic.bytes_sent) of $size bytes were sent"
  [ "$(uploads)" = 0 ] || fail "an upload was left"
  expect 0 "$duckback" copy s3://killed/copies/big.duckdb back.duckdb
  expect 0 "$duckback" copy big.duckdb local.duckdb
  cmp local.duckdb back.duckdb || fail "another database came back"
}
# It stays for the next one where one in between fails before it sends anything, and goes with the claim.
expect 0 "$duckback" copy app.duckdb s3://killed/copies/big.duckdb
for next in copy forget; do
  killed_at 'PUT .*partNumber, the second' copy big.duckdb s3://killed/copies/big.duckdb
  "$duckback" copy big.duckdb s3://killed/copies/big.duckdb --no-clobber >out 2>err && fail "it was clobbered"
  [ "$(uploads)" = 1 ] || fail "nothing was left to go on with"
  case $next in
    copy)
      expect 0 "$duckback" copy big.duckdb s3://killed/copies/big.duckdb --stats --json
      [ "$(value "traffic.bytes_sent - $size < -16000000")" = true ] || fail "all was sent again" ;;
    forget) expect 0 "$duckback" forget s3://killed/copies/ --keep-last 1 ;;
  esac
  [ "$(uploads)$(count copies/duckback-claims/)" = 00 ] || fail "after $next something is left"
done
copied '' '< -16000000'
copied changed '< -16000000'
copied '?storage_class=STANDARD' '> 0'
# It took long; from here on it is not wanted.
sql big.duckdb "DROP TABLE t; CHECKPOINT"
expect 0 "$duckback" backup big.duckdb

# While it commits: before the snapshot is there nothing is listed, then all of it is.
i=0
for moment in 'PUT .*/packs/' 'PUT .*/index/' 'GET .*trash' 'PUT .*/snapshots/' 'DELETE .*/sessions/[0-9a-f]{32}[^.]'; do
  i=$((i + 1))
  sql app.duckdb "INSERT INTO t SELECT i, 'round $i ' || i FROM range(20000) r(i); CHECKPOINT"
  before=$(snapshots)
  killed_at "$moment" backup app.duckdb
  case $moment in *snapshots* | DELETE*) made=1 ;; *) made=0 ;; esac
  [ "$(snapshots)" = $((before + made)) ] || fail "$moment: $(snapshots) snapshots after $before"
  whole
  expect 0 "$duckback" backup app.duckdb
  nobody_left
done
whole
expect 0 "$duckback" restore latest --database app.duckdb --to latest.duckdb
[ "$(rows latest.duckdb)" = "$(rows app.duckdb)" ] || fail "not what was backed up last"

# tag and forget: a snapshot is there under its old name or the new one, or comes back.
for moment in 'PUT .*/snapshots/' 'DELETE .*/snapshots/'; do
  n=${n:-}x
  killed_at "$moment" tag add "$(newest)" "tag-$n"
  whole
  expect 0 "$duckback" tag add "$(newest)" "again-$n"
done
for moment in 'PUT .*/trash/snapshots/' 'DELETE .*/snapshots/'; do
  killed_at "$moment" forget --keep-last 1
  expect 0 "$duckback" check --read-data
  expect 0 "$duckback" undelete --all
  whole
done
expect 0 "$duckback" pin "$first"; first=$(cat out)

# prune: at each of its steps nothing is lost, and the next one ends its work.
new_extra() { rm -f extra.duckdb; sql extra.duckdb "CREATE TABLE t AS SELECT uuid() AS a FROM range(100000); CHECKPOINT"; }
new_extra
expect 0 "$duckback" backup extra.duckdb; extra=$(cat out)
# Packs go with one request, and their marks with the next.
for moment in 'PUT .*/trash/packs/' 'DELETE .*/trash/snapshots/' 'PUT .*/trash/removed/' 'PUT .*/index/' \
  'POST .*[?]delete' 'POST .*[?]delete, the second'; do
  new_extra
  expect 0 "$duckback" backup extra.duckdb; before=$extra extra=$(cat out)
  expect 0 "$duckback" forget "$before"
  killed_at "$moment" prune --now
  whole
  expect 0 "$duckback" prune --now
  nobody_left
  [ "$(count repo/trash/snapshots/)$(count repo/trash/packs/)" = 00 ] || fail "$moment: $(objects repo/trash/)"
done
whole

# What is stopped by Ctrl-C takes its session along.
for moment in 'GET .*/snapshots/' 'GET .*/packs/'; do
  ended_at TERM "$moment" prune
  [ $status = 143 ] || fail "$moment: exit $status"
  nobody_left
done

# key passwd: the old password or the new one opens it, and only the new one after another run.
echo other >other
i=0
for moment in 'PUT .*/keys/' 'PUT .*/keys-copy/' 'DELETE .*/keys/' 'DELETE .*/keys-copy/'; do
  i=$((i + 1))
  safe=s3://$bucket/safe$i
  expect 0 "$duckback" init --repo $safe --encrypt --password-file password
  killed_at "$moment" key passwd --repo $safe --password-file password --new-password-file other
  "$duckback" key passwd --repo $safe --password-file password --new-password-file other >out 2>err ||
    says "password opens no key"
  expect 0 "$duckback" snapshots --repo $safe --password-file other
  expect 12 "$duckback" snapshots --repo $safe --password-file password
done
