# A repository in a bucket does what one in a folder does.
. "$(dirname "$0")/s3.inc"
echo secret >password
make_database app.duckdb
make_database_with_wal wal.duckdb

expect 10 "$duckback" snapshots --repo s3://no-such-bucket/app
says "no-such-bucket"
expect 0 "$duckback" init s3://repository/app --encrypt --password-file password
DUCKBACK_REPO=s3://repository/app DUCKBACK_PASSWORD_FILE=$tmp/password
export DUCKBACK_REPO DUCKBACK_PASSWORD_FILE
expect 1 "$duckback" init s3://repository/app --encrypt --password-file password
# Nor among other things, as those of a repository.
expect 1 "$duckback" init s3://repository/ --encrypt
says "holds other things (app)"
expect 0 "$duckback" backup app.duckdb wal.duckdb
sql app.duckdb "INSERT INTO t SELECT i, 'more ' || i FROM range(200000) r(i); CHECKPOINT"
expect 0 "$duckback" backup app.duckdb
expect 0 "$duckback" restore latest --database app.duckdb --to again.duckdb
[ "$(rows again.duckdb)" = 400000 ] || fail "not what was backed up"
expect 0 "$duckback" check --read-data
expect 0 "$duckback" snapshots --json
[ "$(value 'count(*)')" = 3 ] || fail "not three snapshots"
expect 0 "$duckback" init folder --encrypt --password-file password
expect 0 "$duckback" sync folder --to-password-file password --json
[ "$(value 'len(copied)')" = 3 ] || fail "not all were copied from the bucket"

# Wrong keys are said as such, without the secret.
expect 1 env AWS_SECRET_ACCESS_KEY=wrong-secret "$duckback" snapshots
says "secret key"
! grep -q wrong-secret err || fail "shows a secret"
# Nothing listens there.
expect 16 env AWS_ENDPOINT_URL_S3=http://127.0.0.1:1 "$duckback" snapshots
