# Every command of repositories against a server that fails: the result is right, or the error is clean and nothing is
# lost; and against servers without conditional PUT.
. "$(dirname "$0")/s3.inc"
# Without a cache every command asks the server for all that it needs.
touch no-cache; XDG_CACHE_HOME=$tmp/no-cache; export XDG_CACHE_HOME
echo secret >password
echo other >other
make_database start.duckdb 50000
through() { expect 0 $faulty "$duckback" "$@"; }

# A repository's whole life with what is wrong by now, in folder $1 of the bucket; what came of it is looked at directly.
life() {
  repo=s3://$bucket/$1
  export DUCKBACK_REPO=$repo
  rm -rf ./*.duckdb.* back.duckdb folder app.duckdb exported; cp start.duckdb app.duckdb
  through init
  expect 1 $faulty "$duckback" init
  says "there is a repository"
  through backup app.duckdb; first=$(cat out)
  sql app.duckdb "INSERT INTO t SELECT i, 'more ' || i FROM range(50000) r(i); CHECKPOINT"
  through backup app.duckdb --verify open --libduckdb "$lib"; second=$(cat out)
  through tag add "$first" kept
  through pin latest
  through snapshots --json
  [ "$(value "count(*) || ' ' || count(*) FILTER (pinned) || ' ' || max(len(tags))")" = "2 1 1" ] || fail "$1: not the two snapshots"
  through stats
  through diff "$first" "$second"
  through check --read-data
  through restore "$first" --to back.duckdb
  [ "$(rows back.duckdb)" = 50000 ] || fail "$1: not the first"
  through restore latest --to back.duckdb --delta
  [ "$(rows back.duckdb)" = 100000 ] || fail "$1: not the second"
  expect 0 "$duckback" init folder
  through sync folder
  through forget --keep-last 1
  through undelete --all
  through forget --keep-last 1
  through prune --now
  through sync "$repo" --repo folder
  through repair index
  faults '{}'
  expect 0 "$duckback" check --read-data
  expect 0 "$duckback" snapshots --json
  [ "$(value 'count(*)')" = 2 ] || fail "$1: not two snapshots in the end"
  expect 0 "$duckback" restore "$first" --to back.duckdb --force
  [ "$(rows back.duckdb)" = 50000 ] || fail "$1: the first is lost"
  [ "$(count "$1/sessions/")$(count "$1/.duckback/")$(uploads)" = 000 ] || fail "$1: left: $(objects "$1/")"
}

# Every fifth request fails, each in another way.
flaky='{"every": 5, "faults": ["error_500", "reset_before", "reset_mid_request", "lost_answer", "slow_down",
  "reset_before_answer", "truncated", "error_503", "lost_error", "reset_mid_answer", "slow", "error_429",
  "request_timeout", "unbounded"]}'
faults "$flaky"
life flaky
faults "$flaky"
export DUCKBACK_REPO=s3://faults/safe
through init --encrypt --password-file password
through key add --password-file password --new-password-file other
through key passwd --password-file password --new-password-file other
through key list
through key export --password-file other exported
through snapshots --password-file other
faults '{}'
expect 12 "$duckback" snapshots --password-file password
[ "$(count safe/keys/)$(count safe/keys-copy/)" = 22 ] || fail "not two keys: $(objects safe/)"
# A server that does not know If-None-Match, and one that takes no notice of it, as Ceph does where there are versions.
faults '{"faults": ["not_implemented"], "match": "if-none-match"}'
life not_implemented
s3 PUT faults-versions || fail "no bucket"
echo '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>' >versioning
signed "$(sha256sum <versioning | cut -d' ' -f1)" -X PUT --data-binary @versioning "$DUCKBACK_TEST_S3/faults-versions?versioning=" ||
  fail "no versions"
bucket=faults-versions
life ignored
bucket=faults

# One that does not answer any more, or takes no more keys, at each kind of object: exit 16 or 1, and all is as it was.
export DUCKBACK_REPO=s3://faults/flaky
objects flaky/snapshots/ >snapshots_before
first=$(head -1 snapshots_before | sed 's/.*-//')
# gives_up STATUS FAULT REQUEST ARGUMENT…
gives_up() {
  status=$1 fault=$2 match=$3; shift 3
  faults "{\"faults\": [\"$fault\"], \"match\": \"$match\"}"
  expect "$status" $faulty "$duckback" "$@"
  faults '{}'
  one_error
  objects flaky/snapshots/ >snapshots_now
  cmp -s snapshots_before snapshots_now || fail "$fault of $match at $*: other snapshots than before"
}
sql app.duckdb "INSERT INTO t SELECT i, 'once more ' || i FROM range(50000) r(i); CHECKPOINT"
gives_up 16 error_503 'PUT .*/packs/' backup app.duckdb
for match in 'PUT .*/sessions/' 'PUT .*/packs/' 'PUT .*/index/' 'PUT .*/snapshots/'; do
  gives_up 1 expired_token "$match" backup app.duckdb
  says "ExpiredToken"
done
# Somebody between takes the condition away; it is signed.
gives_up 1 stripped if-none-match copy app.duckdb s3://faults/stripped.duckdb
gives_up 16 lost_answer 'GET .*/packs/' restore latest --to gone.duckdb
[ ! -e gone.duckdb ] || fail "half a database was restored"
gives_up 16 truncated 'GET .*prefix=.*snapshots' snapshots
gives_up 16 unbounded 'GET .*/config' snapshots
gives_up 1 expired_token 'PUT .*/trash' forget "$first"
gives_up 1 expired_token 'GET .*/packs/' check --read-data
gives_up 1 expired_token 'GET .*/packs/' prune
expect 0 "$duckback" check --read-data
expect 0 "$duckback" backup app.duckdb
expect 0 "$duckback" check --read-data
[ "$(count flaky/sessions/)$(count flaky/.duckback/)$(uploads)" = 000 ] || fail "left: $(objects flaky/)"
