# The policies of docs/s3.md are enough for what they are for, and for no more.
document=$(cd "$(dirname "$0")/../../docs" && pwd)/s3.md
. "$(dirname "$0")/../cli/common.inc"
needs_library
[ -n "${DUCKBACK_TEST_S3_OTHER-}" ] || { echo "skipped in policies.sh: this server has no second user"; exit 77; }
HOME=$tmp; export HOME
AWS_ENDPOINT_URL_S3=$DUCKBACK_TEST_S3; export AWS_ENDPOINT_URL_S3
owner=$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY
# signed METHOD PATH [BODY]: a request of the bucket's owner.
signed() {
  printf '%s' "${3:-}" >body
  curl -sf --aws-sigv4 aws:amz:us-east-1:s3 --user "$owner" -H "x-amz-content-sha256: $(sha256sum <body | cut -d' ' -f1)" \
    -X "$1" ${3:+--data-binary @body} "$DUCKBACK_TEST_S3/$2" >answer || fail "$1 $2"
}
# policy WHOSE: the JSON in the document behind the line that begins with "**WHOSE"; the other user gets it in place of
# the one before.
policy() {
  awk -v begin="**$1" 'index($0, begin) == 1 { found = 1 } found && /^```$/ { exit } found && in_json { print }
    found && /^```json$/ { in_json = 1 }' "$document" | sed "s/my-bucket/$bucket/g" >policy.json
  [ -s policy.json ] || fail "docs/s3.md has no policy of $1"
  give
}
give() {
  encoded=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.stdin.read(), safe=""))' <policy.json)
  signed POST "" "Action=PutUserPolicy&UserName=other&PolicyName=only&PolicyDocument=$encoded"
}
as_other() {
  AWS_ACCESS_KEY_ID=${DUCKBACK_TEST_S3_OTHER%:*} AWS_SECRET_ACCESS_KEY=${DUCKBACK_TEST_S3_OTHER#*:} "$@"
}
objects() { signed GET "$bucket?prefix=$1" && grep -o '<Key>[^<]*' answer | cut -c6-; }

make_database_with_wal wal.duckdb

for bucket in policies-plain policies-versions; do
  signed PUT $bucket
  [ $bucket = policies-plain ] || signed PUT "$bucket?versioning=" \
    '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  DUCKBACK_REPO=s3://$bucket/duckdb; export DUCKBACK_REPO
  rm -f app.duckdb
  make_database app.duckdb 20000

  policy "A pruner"
  expect 0 as_other "$duckback" init $DUCKBACK_REPO

  # Backups that merge indexes, and a copy from another repository; without a warning.
  policy "A backup host"
  for change in $(seq 10); do
    sql app.duckdb "INSERT INTO t SELECT i, 'change $change' FROM range(100) r(i); CHECKPOINT"
    expect 0 as_other "$duckback" backup app.duckdb
    ! grep -q warning err || fail "a backup that may only add warns"
  done
  rm -rf folder
  expect 0 "$duckback" init folder
  expect 0 "$duckback" backup wal.duckdb --repo folder
  expect 0 as_other "$duckback" sync $DUCKBACK_REPO --repo folder
  [ -z "$(objects duckdb%2Fsessions%2F)" ] || fail "a session was left"
  expect 0 as_other "$duckback" snapshots --json
  [ "$(sql :memory: "SELECT count(*) FROM read_json('out')")" = 11 ] || fail "not eleven snapshots"
  expect 0 as_other "$duckback" restore latest --database app.duckdb --to back.duckdb --force
  for command in "forget --keep-last 1" "tag add latest x --database app.duckdb"; do
    expect 1 as_other "$duckback" $command
    says "may not do this; they need s3:"
  done
  # The same where not even what it put itself may be removed.
  sed -i 's/"s3:DeleteObject"/"s3:GetObject"/' policy.json
  give
  expect 0 as_other "$duckback" backup app.duckdb
  expect 0 as_other "$duckback" backup app.duckdb
  ! grep -q warning err || fail "a backup that may only add warns"
  [ "$(objects duckdb%2Fsessions%2F | grep -vc now)" = 2 ] || fail "not the two sessions"

  policy "A reader"
  for command in snapshots "diff latest~1 latest --database app.duckdb" stats "restore latest --database wal.duckdb --to back.duckdb --force"; do
    expect 0 as_other "$duckback" $command
  done
  expect 1 as_other "$duckback" backup app.duckdb
  says "they need s3:PutObject"
  expect 0 as_other "$duckback" check
  expect 0 as_other "$duckback" check --read-data

  policy "A pruner"
  expect 0 as_other "$duckback" tag add latest kept --database app.duckdb
  expect 0 as_other "$duckback" forget --keep-last 1 --prune
  expect 0 as_other "$duckback" check --read-data
  expect 0 as_other "$duckback" repair index

  policy "A host that makes copies"
  expect 0 as_other "$duckback" copy app.duckdb s3://$bucket/backups/
  expect 0 as_other "$duckback" copy wal.duckdb s3://$bucket/backups/
  expect 0 as_other "$duckback" copy wal.duckdb s3://$bucket/backups/pair.duckdb --keep-wal
  expect 0 as_other "$duckback" verify s3://$bucket/backups/
  [ -z "$(objects backups%2Fduckback-claims%2F)" ] || fail "a claim was left"
  expect 1 as_other "$duckback" forget s3://$bucket/backups/ --keep-last 1
done
