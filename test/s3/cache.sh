# What was fetched from a bucket once is not fetched again, and packs are not listed.
. "$(dirname "$0")/s3.inc"
unset XDG_CACHE_HOME
AWS_ENDPOINT_URL_S3=$DUCKBACK_TEST_S3_FAULTS DUCKBACK_REPO=s3://cache/app
export AWS_ENDPOINT_URL_S3 DUCKBACK_REPO
# Requests that match, of the command that follows.
requests() {
  match=$1; shift
  faults "{\"match\": \"$match\", \"faults\": [\"none\"]}"
  expect 0 "$@"
  count=$(curl -sf "$DUCKBACK_TEST_S3_CONTROL" | tr -dc 0-9)
  faults '{}'
  count=${count:-0}
}
make_database app.duckdb
change() { sql app.duckdb "INSERT INTO t VALUES ($1, 'row'); CHECKPOINT"; }
expect 0 "$duckback" init s3://cache/app
expect 0 "$duckback" backup app.duckdb

change 1
requests '^GET /cache/app/(packs|index)/' "$duckback" backup app.duckdb
[ "$count" -gt 0 ] || fail "nothing was fetched"
find .cache/duckback -name 'index' -type d | grep -q . || fail "no index was kept"
change 2
listing='list-type=2&prefix=app%2Fpacks%2F[^0-9a-f]'
requests "$listing" "$duckback" backup app.duckdb
[ "$count" = 0 ] || fail "a backup lists the packs"
requests "$listing" "$duckback" check
[ "$count" -gt 0 ] || fail "the pattern fits no listing"
requests '^GET /cache/app/(packs|index)/' "$duckback" restore latest --to here.duckdb
first=$count
requests '^GET /cache/app/(packs|index)/' "$duckback" restore latest --to again.duckdb
[ "$count" -lt "$first" ] || fail "the second restore fetched as much as the first"
HOME=$tmp/other
mkdir other
requests '^GET /cache/app/(packs|index)/' "$duckback" restore latest --to other.duckdb
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
requests '^GET /cache/app/index/' "$duckback" check
[ "$count" -gt 0 ] || fail "check believes the cache"

# Where all indexes are gone, a backup that would read nothing notices.
objects app/index/ | while read -r key; do s3 DELETE "$bucket/$key"; done
expect 0 "$duckback" backup app.duckdb
says "lacks something"
expect 0 "$duckback" restore latest --to anew.duckdb
cmp here.duckdb anew.duckdb || fail "not the same bytes"
