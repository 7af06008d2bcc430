# What was fetched from a bucket once is not fetched again, and packs are not listed.
. "$(dirname "$0")/../cli/common.inc"
needs_library
HOME=$tmp; export HOME
unset XDG_CACHE_HOME
empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
curl -sf --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
  -H "x-amz-content-sha256: $empty" -X PUT "$DUCKBACK_TEST_S3/cached" || fail "no bucket"
AWS_ENDPOINT_URL_S3=$DUCKBACK_TEST_S3_FAULTS DUCKBACK_REPO=s3://cached/app
export AWS_ENDPOINT_URL_S3 DUCKBACK_REPO
# Requests that match, of the command that follows.
requests() {
  match=$1; shift
  curl -sf -o /dev/null -X PUT "$DUCKBACK_TEST_S3_CONTROL" -d "{\"match\": \"$match\", \"faults\": [\"slow\"]}" ||
    fail "no proxy"
  expect 0 "$@"
  count=$(curl -sf "$DUCKBACK_TEST_S3_CONTROL" | sed 's/[^0-9]//g')
  curl -sf -o /dev/null -X PUT "$DUCKBACK_TEST_S3_CONTROL" -d '{}'
  count=${count:-0}
}
make_database app.duckdb
change() { sql app.duckdb "INSERT INTO t VALUES ($1, 'row'); CHECKPOINT"; }
expect 0 "$duckback" init s3://cached/app
expect 0 "$duckback" backup app.duckdb

change 1
requests '^GET /cached/app/(packs|index)/' "$duckback" backup app.duckdb
[ "$count" -gt 0 ] || fail "nothing was fetched"
find .cache/duckback -name 'index' -type d | grep -q . || fail "no index was kept"
change 2
requests 'GET /cached/[?].*prefix=app%2Fpacks%2F(&|$)' "$duckback" backup app.duckdb
[ "$count" = 0 ] || fail "a backup lists the packs"
requests '^GET /cached/app/(packs|index)/' "$duckback" restore latest --to here.duckdb
first=$count
requests '^GET /cached/app/(packs|index)/' "$duckback" restore latest --to again.duckdb
[ "$count" -lt "$first" ] || fail "the second restore fetched as much as the first"
HOME=$tmp/other
mkdir other
requests '^GET /cached/app/(packs|index)/' "$duckback" restore latest --to other.duckdb
[ "$count" -gt "$first" ] || fail "another home had something kept"
HOME=$tmp
cmp here.duckdb other.duckdb && cmp here.duckdb again.duckdb || fail "not the same bytes"

# It may be broken, gone, or not to be made: nothing is lost but time.
for file in $(find .cache/duckback -type f); do echo broken >"$file"; done
expect 0 "$duckback" restore latest --to broken.duckdb
rm -r .cache
expect 0 "$duckback" restore latest --to gone.duckdb
rm -r .cache
echo "a file" >.cache
expect 0 "$duckback" restore latest --to none.duckdb
for file in broken gone none; do cmp here.duckdb $file.duckdb || fail "not the same bytes"; done
rm .cache

# What is in the bucket is what check looks at, whatever is kept here.
expect 0 "$duckback" restore latest --to kept.duckdb
requests '^GET /cached/app/index/' "$duckback" check
[ "$count" -gt 0 ] || fail "check believes the cache"
