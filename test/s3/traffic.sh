# --stats says what a bucket was asked and how many bytes went there and came back.
. "$(dirname "$0")/s3.inc"
AWS_ENDPOINT_URL_S3=$DUCKBACK_TEST_S3_FAULTS DUCKBACK_REPO=s3://traffic/repository
export AWS_ENDPOINT_URL_S3 DUCKBACK_REPO
make_database app.duckdb
size=$(stat -c %s app.duckdb)
expect 0 "$duckback" init
expect 0 "$duckback" init s3://traffic/second

# MEMBER MATCH: of a backup, and of a copy, the server sees as many requests of that kind as they say.
server_sees() {
  for command in "backup app.duckdb" "copy app.duckdb s3://traffic/copies/"; do
    faults "{\"match\": \"$2\", \"faults\": [\"none\"]}"
    expect 0 "$duckback" $command --stats --json
    said=$(value "traffic.$1") seen=$(curl -sf "$DUCKBACK_TEST_S3_CONTROL" | tr -dc 0-9)
    [ "$said" -gt 0 ] || fail "$command: no $1"
    [ "$said" = "$seen" ] || fail "$command: $said $1, but the server saw $seen"
  done
}
server_sees write_requests '^(PUT |POST (?!.*[?]delete))|^GET [^ ]*(list-type|uploads)'
server_sees read_requests '^(GET|HEAD) [^?]*$'
server_sees delete_requests '^DELETE |^POST [^ ]*[?]delete'

# Bytes: of a copy all of the database goes there, and back.
expect 0 "$duckback" copy app.duckdb s3://traffic/copies/app.duckdb --stats --json
[ "$(value "traffic.bytes_sent BETWEEN $size AND $size + 10000")" = true ] || fail "other bytes than the database's"
expect 0 "$duckback" copy s3://traffic/copies/app.duckdb back.duckdb --stats --json
[ "$(value "traffic.bytes_received BETWEEN $size AND $size + 10000")" = true ] || fail "other bytes than the copy's"
[ "$(value "traffic.bytes_sent")" = 0 ] || fail "something was sent to read a copy"

# As text behind the result, with --quiet and after an error too; none where the repository is a folder.
requests='^Requests: [0-9]* PUT, POST or LIST; [0-9]* GET or HEAD; [0-9]* DELETE; .* sent, .* received$'
for command in "snapshots" "backup app.duckdb --quiet" "check" "restore latest --to again.duckdb" "list s3://traffic/copies/" \
  "verify s3://traffic/copies/app.duckdb" "sync s3://traffic/second" "forget --keep-last 1 --prune" "prune"; do
  expect 0 "$duckback" $command --stats
  tail -n 1 err | grep -q "$requests" || fail "$command says nothing"
done
expect 13 "$duckback" restore nothing --to nothing.duckdb --stats
tail -n 1 err | grep -q "$requests" || fail "an error hides it"
expect 0 "$duckback" init folder
expect 0 "$duckback" backup app.duckdb --repo folder --stats
! grep -q Requests err || fail "a folder was sent requests"
expect 0 "$duckback" backup app.duckdb --repo folder --stats --json
[ "$(value 'traffic.write_requests + traffic.bytes_sent')" = 0 ] || fail "a folder was sent something"
