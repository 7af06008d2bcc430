# Copies in a bucket: what arrives is what a copy on this machine would be, and nothing half is ever one.
. "$(dirname "$0")/s3.inc"
TMPDIR=/var/tmp; export TMPDIR
sql app.duckdb "CREATE TABLE t AS SELECT i, 'text ' || hash(i) AS s FROM range(4000000) r(i); CHECKPOINT"
make_database_with_wal wal.duckdb

# A folder gets a name with the time, as on this machine; the path is all that is printed.
expect 0 "$duckback" copy app.duckdb s3://copies/backups/ --quiet
copy=$(cat out)
case $copy in
  s3://copies/backups/backup-[0-9]*-[0-9]*.duckdb) ;;
  *) fail "printed $copy" ;;
esac
name=${copy#s3://copies/}
expect 0 "$duckback" copy app.duckdb local.duckdb
get "$name"
cmp got local.duckdb || fail "not byte for byte the copy on this machine"
only_in_bucket backups "${name#backups/}" "${name#backups/}.duckback.json"
[ "$(uploads)" = 0 ] || fail "an upload was left"
expect 0 "$backup_duckdb" --db app.duckdb --backup s3://copies/script/app.duckdb --timestamp
grep -q '^s3://copies/script/app-[0-9]*-[0-9]*.duckdb$' out || fail "no time in the name"

# A WAL is folded in first, or goes along.
expect 0 "$duckback" copy wal.duckdb s3://copies/wal/one.duckdb --verify full
only_in_bucket wal one.duckdb one.duckdb.duckback.json
get wal/one.duckdb
mv got one.duckdb
[ "$(rows one.duckdb)" = 201000 ] || fail "rows are missing"
expect 0 "$duckback" copy wal.duckdb s3://copies/wal/two.duckdb --keep-wal
only_in_bucket wal one.duckdb one.duckdb.duckback.json two.duckdb two.duckdb.duckback.json two.duckdb.wal
expect 0 "$duckback" copy wal.duckdb pair.duckdb --keep-wal
get wal/two.duckdb
cmp got pair.duckdb || fail "not the pair on this machine"
get wal/two.duckdb.wal
cmp got pair.duckdb.wal || fail "not its WAL"
# A pair is replaced by one file, and again by a pair.
expect 0 "$duckback" copy wal.duckdb s3://copies/wal/two.duckdb
only_in_bucket wal one.duckdb one.duckdb.duckback.json two.duckdb two.duckdb.duckback.json
expect 0 "$duckback" copy wal.duckdb s3://copies/wal/two.duckdb --keep-wal
expect 0 "$duckback" copy app.duckdb s3://copies/attach/app.duckdb --method attach
expect 1 "$duckback" copy app.duckdb s3://copies/attach/ --method export
says "an export is a folder"

# In use, with a WAL that grows meanwhile.
cp app.duckdb live.duckdb
start_writer live.duckdb
tell "INSERT INTO t SELECT i, 'live' FROM range(1000) r(i)"
expect 0 "$duckback" copy live.duckdb s3://copies/live/app.duckdb --keep-wal
expect 0 "$duckback" copy s3://copies/live/app.duckdb live-back.duckdb
expect 0 "$duckback" verify --open live-back.duckdb
tell "CHECKPOINT"
expect 0 "$duckback" copy live.duckdb s3://copies/live/app.duckdb
exec 9>&-; wait "$writer_pid"; writer_pid=
expect 0 "$duckback" verify --full s3://copies/live/app.duckdb

# What is there is replaced only if it is a copy.
expect 1 "$duckback" copy app.duckdb s3://copies/wal/one.duckdb --no-clobber
says "exists"
put local.duckdb mine/app.duckdb
expect 1 "$duckback" copy app.duckdb s3://copies/mine/app.duckdb
says "no record"
expect 2 "$duckback" copy app.duckdb "s3://copies/mine/my app.duckdb"
expect 10 "$duckback" copy app.duckdb s3://no-such-bucket/app.duckdb
says "no-such-bucket"

# list, verify.
expect 0 "$duckback" list s3://copies/wal/ --json
[ "$(value "string_agg(parse_filename(path) || ' ' || state || ' ' || wal, ', ' ORDER BY path)")" = \
  "one.duckdb present false, two.duckdb present true" ] || fail "not the two copies"
expect 0 "$duckback" verify s3://copies/wal/ --open
[ "$(grep -c ': good' out)" = 2 ] || fail "not both are good"
expect 0 "$duckback" list s3://copies/wal/
grep -q 'open 2.*two.duckdb' out || fail "the verification was not recorded"
# Another object of that name and size is seen without reading it.
head -c "$(stat -c %s one.duckdb)" /dev/zero >zeros
put zeros wal/one.duckdb
expect 0 "$duckback" list s3://copies/wal/
says "ETag"
expect 18 "$duckback" verify s3://copies/wal/one.duckdb
expect 18 "$duckback" copy s3://copies/wal/one.duckdb one-back.duckdb
[ ! -e one-back.duckdb ] || fail "a wrong copy was given back"

# Back on this machine it is the same, with its record, and a file that is no copy is not replaced.
expect 0 "$duckback" copy "$copy" back/
cmp "back/${name#backups/}" local.duckdb || fail "not what was uploaded"
expect 0 "$duckback" verify back/
expect 0 "$duckback" copy s3://copies/wal/two.duckdb two.duckdb
cmp two.duckdb.wal pair.duckdb.wal || fail "its WAL did not come along"
expect 1 "$duckback" copy "$copy" app.duckdb
says "no record"
expect 2 "$duckback" copy "$copy" other.duckdb --method attach

# forget.
for i in 1 2 3; do expect 0 "$duckback" copy wal.duckdb s3://copies/rules/ --keep-wal; done
[ "$(count rules/)" = 9 ] || fail "not three copies of three objects"
expect 0 "$duckback" forget s3://copies/rules/ --keep-last 1 --dry-run
[ "$(count rules/)" = 9 ] || fail "a dry run removed something"
expect 0 "$duckback" forget s3://copies/rules/ --keep-last 1
[ "$(count rules/)" = 3 ] || fail "not one copy is left"

# A server that fails on every way there is.
faults '{"every": 5, "faults": ["error_500", "reset_mid_request", "lost_answer", "slow_down", "error_503"]}'
expect 0 $faulty "$duckback" copy app.duckdb s3://copies/faults/app.duckdb
expect 0 $faulty "$duckback" copy s3://copies/faults/app.duckdb faults.duckdb
faults '{}'
cmp faults.duckdb local.duckdb || fail "not what was uploaded"
# One that does not take a part: the old copy stays, and nothing else.
faults '{"match": "partNumber=2", "faults": ["not_implemented"]}'
expect 20 $faulty "$duckback" copy app.duckdb s3://copies/faults/app.duckdb
faults '{}'
get faults/app.duckdb
cmp got local.duckdb || fail "the old copy did not stay"
only_in_bucket faults app.duckdb app.duckdb.duckback.json
[ "$(uploads)" = 0 ] || fail "an upload was left"

# Killed in the middle: no copy; the next one to the folder removes what it left.
"$duckback" copy app.duckdb 's3://copies/killed/?bytes_per_second=3000000' >out 2>err & victim=$!
for i in $(seq 100); do [ "$(uploads)" = 0 ] || break; sleep 0.1; done
[ "$(uploads)" = 1 ] || fail "no upload began"
expect 0 "$duckback" list s3://copies/killed/ --json
[ "$(cat out)" = "[]" ] || fail "something half is listed"
# While it lives, nobody takes its upload for that of a dead one.
expect 0 "$duckback" copy wal.duckdb s3://copies/killed/other.duckdb
[ "$(uploads)" = 1 ] || fail "the upload of a living process was removed"
kill -9 $victim; wait $victim 2>/dev/null
[ "$(uploads)" = 1 ] || fail "an upload ended by itself"
expect 0 "$duckback" copy wal.duckdb s3://copies/killed/other.duckdb
[ "$(uploads)" = 0 ] || fail "the upload of a killed process was left"
only_in_bucket killed other.duckdb other.duckdb.duckback.json
# The same by Ctrl-C, which cleans up itself.
"$duckback" copy app.duckdb 's3://copies/killed/?bytes_per_second=3000000' >out 2>err & victim=$!
for i in $(seq 100); do [ "$(uploads)" = 0 ] || break; sleep 0.1; done
kill -TERM $victim; wait $victim; [ $? = 143 ] || fail "not stopped by the signal"
[ "$(uploads)" = 0 ] || fail "an upload was left"
only_in_bucket killed other.duckdb other.duckdb.duckback.json
# Also while the server is about to say that the upload has begun.
faults '{"match": "uploads", "faults": ["late"]}'
$faulty "$duckback" copy app.duckdb s3://copies/killed/ >out 2>err & victim=$!
for i in $(seq 100); do [ "$(uploads)" = 0 ] || break; sleep 0.1; done
kill -TERM $victim; wait $victim; [ $? = 143 ] || fail "not stopped by the signal"
faults '{}'
[ "$(uploads)" = 0 ] || fail "an upload was left that had just begun"
only_in_bucket killed other.duckdb other.duckdb.duckback.json
ls -A /var/tmp | grep -q '^\.copy\.duckback' && fail "scratch files were left"

# At once, to one folder and in one second: each gets a name of its own.
for i in 1 2 3; do "$duckback" copy wal.duckdb s3://copies/race/ -q >out.$i 2>err.$i & done; wait
[ "$(cat out.1 out.2 out.3 | sort -u | wc -l)" = 3 ] || fail "copies took each other's name"
[ "$(count race/)" = 6 ] || fail "not three copies"

# DuckDB itself reads it there, where its extension is at hand.
if "$DUCKDB_RUN" "$lib" :memory: "LOAD httpfs" >/dev/null 2>&1; then
  host=${DUCKBACK_TEST_S3#http://}
  sql :memory: "LOAD httpfs; CREATE SECRET (TYPE s3, KEY_ID '$AWS_ACCESS_KEY_ID', SECRET '$AWS_SECRET_ACCESS_KEY',
    ENDPOINT '$host', USE_SSL false, URL_STYLE 'path'); ATTACH '$copy' AS c (READ_ONLY); SELECT count(*) FROM c.t" >rows
  [ "$(tail -n 1 rows)" = 4000000 ] || fail "DuckDB reads something else"
else
  echo "skipped in copies.sh: DuckDB reading the copy in the bucket; its httpfs extension is not here"
fi
