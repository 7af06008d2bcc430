# Passwords come and go without anything being written anew.
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
value() { sql :memory: "SELECT $1 FROM read_json('out')"; }
for word in one two three; do echo "$word" >$word; done
make_database app.duckdb 1000
expect 0 "$duckback" init plain
expect 1 "$duckback" key list --repo plain
says "is not encrypted"
expect 0 "$duckback" init repo --encrypt --password-file one
expect 1 "$duckback" init repo --encrypt --password-file two
[ "$(ls repo/keys repo/keys-copy | grep -c .)" = 4 ] || fail "a key was put that is none"
export DUCKBACK_REPO="$tmp/repo"
with() { password=$1; shift; "$duckback" "$@" --password-file "$password"; }
expect 0 with one backup app.duckdb
expect 12 with two key add --new-password-file three
expect 0 with one key add --new-password-file two; second=$(cat out)
expect 0 with two snapshots
expect 0 "$duckback" key list --json
[ "$(value 'count(*)')" = 2 ] || fail "not two keys"
expect 2 "$duckback" key add --new-password-file two
says "password"

# The key of the password that is given stays; the other one goes.
expect 1 with two key remove "$second"
says "key passwd"
expect 0 with one key remove "$second"
says "shut them out"
expect 12 with two snapshots
expect 2 with one key remove

expect 2 with one key passwd --new-password-file one
# As a change that was killed and made again leaves it: two keys of one password.
expect 0 with one key add --new-password-file one
expect 0 with one key passwd --new-password-file three --json
[ "$(value 'added <> removed')" = true ] || fail "the JSON does not say what changed"
expect 12 with one snapshots
expect 0 with three snapshots
expect 0 with three check --read-data

# An exported key is private, and is a way back when the repository has lost its keys.
expect 0 with three key export backup-key; [ "$(cat out)" = backup-key ] || fail "not the path"
[ "$(stat -c %a backup-key)" = 600 ] || fail "others can read it"
expect 1 with three key export backup-key
says "exists"
id=$("$duckback" key list --json | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
cmp -s backup-key "repo/keys/$id" || fail "not the key as it is"
rm repo/keys/* repo/keys-copy/*
expect 14 with three snapshots
says "duckback key export"
cp backup-key "repo/keys/$id"
expect 0 with three snapshots
expect 14 with three check
grep -q "^keys-copy/$id: is missing" out || fail "the lost copy is not named"
expect 2 with three key list extra
expect 2 with three key sing
