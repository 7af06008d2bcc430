# In a bucket with versions, or with locked objects, what somebody removes or overwrites comes back.
. "$(dirname "$0")/../cli/common.inc"
needs_library
HOME=$tmp; export HOME
AWS_ENDPOINT_URL_S3=$DUCKBACK_TEST_S3; export AWS_ENDPOINT_URL_S3
# try METHOD PATH [BODY [HEADER]]: a signed request; its answer is in `answer`.
try() {
  printf '%s' "${3:-}" >body
  curl -sf --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" ${4:+-H "$4"} \
    -H "x-amz-content-sha256: $(sha256sum <body | cut -d' ' -f1)" -X "$1" --data-binary @body "$DUCKBACK_TEST_S3/$2" >answer
}
objects() { try GET "$bucket?prefix=" && grep -o '<Key>[^<]*' answer | cut -c6-; }
# newer TIME [KIND]: keys and versions of all that is newer, or of what is a Version or a DeleteMarker.
cat >newer.py <<'PYTHON'
import re, sys
time, only = sys.argv[1:3]
for kind, entry in re.findall(r"<(Version|DeleteMarker)>(.*?)</\1>", sys.stdin.read(), re.DOTALL):
    field = {name: re.search(f"<{name}>([^<]*)", entry)[1] for name in ("Key", "VersionId", "LastModified")}
    if field["LastModified"] >= time and kind.startswith(only):
        print(field["Key"], field["VersionId"])
PYTHON
newer() { try GET "$bucket?versions=" && python3 newer.py "$1" "${2:-}" <answer; }
now() { sleep 1; date -u +%Y-%m-%dT%H:%M:%S; }
make_database app.duckdb 20000

bucket=versions
try PUT $bucket || fail "no bucket"
try PUT "$bucket?versioning=" '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>' || fail "no versions"
DUCKBACK_REPO=s3://versions/duckdb; export DUCKBACK_REPO
expect 0 "$duckback" init $DUCKBACK_REPO
expect 0 "$duckback" backup app.duckdb
time=$(now)
for object in $(objects); do
  try DELETE "$bucket/$object" || fail "cannot remove $object"
done
for object in $(newer "$time" | cut -d' ' -f1 | grep packs/); do
  try PUT "$bucket/$object" "somebody's" || fail "cannot overwrite $object"
done
expect 14 "$duckback" snapshots
newer "$time" >removed
while read -r object version; do
  try DELETE "$bucket/$object?versionId=$version" || fail "cannot remove the version $version of $object"
done <removed
expect 0 "$duckback" check --read-data
expect 0 "$duckback" restore latest --to back.duckdb
[ "$(rows back.duckdb)" = 20000 ] || fail "not what was backed up"

# Locked objects: everything works as without, and what was pruned is there as older versions, which nobody can remove.
bucket=locked
try PUT $bucket "" "x-amz-bucket-object-lock-enabled: true" || fail "no bucket"
DUCKBACK_REPO="s3://locked/duckdb?lock_mode=GOVERNANCE&lock_days=1"
expect 0 "$duckback" init "$DUCKBACK_REPO"
expect 0 "$duckback" backup app.duckdb; first=$(cat out)
sql app.duckdb "UPDATE t SET s = 'changed ' || s; CHECKPOINT"
expect 0 "$duckback" backup app.duckdb
time=$(now)
expect 0 "$duckback" forget "$first"
expect 0 "$duckback" prune --now
expect 0 "$duckback" check --read-data
expect 13 "$duckback" restore "$first" --to first.duckdb
newer "$time" DeleteMarker | grep packs/ >removed
[ -s removed ] || fail "nothing was pruned"
pack=$(head -n 1 removed | cut -d' ' -f1)
version=$(newer 2000 Version | grep "^$pack " | cut -d' ' -f2)
! try DELETE "$bucket/$pack?versionId=$version" || fail "a locked object was removed"
newer "$time" DeleteMarker >removed
while read -r object version; do
  try DELETE "$bucket/$object?versionId=$version" || fail "cannot remove the mark $version of $object"
done <removed
# The index that prune put is there too, and says that those before it are void.
expect 0 "$duckback" repair index
expect 0 "$duckback" check --read-data
expect 0 "$duckback" restore "$first" --to first.duckdb
