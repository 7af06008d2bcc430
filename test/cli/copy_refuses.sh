# What cannot be copied: one clear message, the right exit status, and nothing left behind.
. "$(dirname "$0")/common.inc"
needs_library
make_database app.duckdb
mkdir to

# refuses STATUS WORDS SOURCE
refuses() {
  expect "$1" "$duckback" copy "$3" to/copy.duckdb
  one_error
  says "$2"
  only to ''
}
refuses 1 "does not exist" missing.duckdb
refuses 1 "is a folder" to
refuses 1 "app.duckdb is a file, not a folder" app.duckdb/x
: >empty.duckdb
refuses 1 "not a DuckDB database" empty.duckdb
echo "some text, and more of it" >text.duckdb
refuses 1 "not a DuckDB database" text.duckdb
{ printf 'SQLite format 3\0'; head -c 8000 /dev/zero; } >sqlite.duckdb
refuses 1 "SQLite" sqlite.duckdb
mkfifo pipe.duckdb
refuses 1 "no regular file" pipe.duckdb

head -c 700000 app.duckdb >truncated.duckdb
refuses 4 "truncated" truncated.duckdb
head -c 5000 app.duckdb >stub.duckdb
refuses 4 "stub.duckdb" stub.duckdb

# A WAL alone: opening the missing database would destroy it.
make_database_with_wal crashed.duckdb
cp crashed.duckdb.wal lone.duckdb.wal
refuses 1 "Do not open" lone.duckdb
# The WAL of another database, which files of storage versions above 66 can tell.
for name in mixed other; do
  "$DUCKDB_RUN" --crash "$lib" :memory: "ATTACH '$name.duckdb' AS d (STORAGE_VERSION 'v1.4.0');
    CREATE TABLE d.t AS SELECT 1 AS i; CHECKPOINT d; INSERT INTO d.t VALUES (2)" >made || fail "$name"
done
cp other.duckdb.wal mixed.duckdb.wal
refuses 4 "mixed.duckdb.wal belongs to" mixed.duckdb

# Destinations. A folder made for a copy that did not come goes again.
for made in new/ new/deep/er/; do
  expect 1 "$duckback" copy text.duckdb $made
  expect 4 "$duckback" copy stub.duckdb $made
  [ ! -e new ] || fail "left: new"
done
mkdir mine
expect 4 "$duckback" copy stub.duckdb mine/new/
only mine ''
for name in text.duckdb/ text.duckdb/x text.duckdb/x/; do
  expect 1 "$duckback" copy app.duckdb $name
  one_error; says "text.duckdb is a file, not a folder"
done
expect 1 "$duckback" copy app.duckdb to/none/copy.duckdb
one_error; says "does not exist; make it"
expect 1 "$duckback" copy app.duckdb app.duckdb
one_error; says "the database itself"
ln app.duckdb to/hard.duckdb
ln -s ../app.duckdb to/soft.duckdb
for link in hard soft; do
  expect 1 "$duckback" copy app.duckdb to/$link.duckdb
  one_error; says "a link to it"
done
expect 1 "$duckback" copy app.duckdb app.duckdb.wal
one_error; says "belongs to the database"
expect 1 "$duckback" copy app.duckdb /dev/null
one_error; says "neither a file nor a folder"
expect 2 "$duckback" copy app.duckdb
one_error
for value in maybe 1 "" Open; do
  expect 2 "$duckback" copy app.duckdb to/x.duckdb --verify "$value"
  one_error; says "--verify: there is no '$value'; give one of: none, blocks, open, full"
done
for value in rsync 0; do
  expect 2 "$duckback" copy app.duckdb to/x.duckdb --method "$value"
  one_error; says "--method: there is no '$value'; give one of: cp, attach, export"
done
only to hard.duckdb soft.duckdb

# What DuckDB or the database does not allow: wrong usage, not a failed verification.
expect 2 env DUCKBACK_LIBDUCKDB="$lib" "$duckback" copy app.duckdb to/x.duckdb --method attach --storage-version v99
one_error; says "'v99' is not a known DuckDB version"
cp "$(dirname "$DUCKBACK_DEPS")"/test/golden/v68-gcm.duckdb* .
for what in "--verify open" "--verify full" "--method attach" "--method export"; do
  expect 2 "$duckback" copy v68-gcm.duckdb to/x.duckdb $what
  one_error; says "is encrypted: $what needs its key"; says "--key-file"
done
only to hard.duckdb soft.duckdb

expect 1 "$duckback" copy missing.duckdb to/x.duckdb --json
grep -q '^{.*"message_type":"exit_error".*}$' err || fail "no JSON error"

# A copy that somebody has worked with since may hold what is nowhere else.
worked() {
  expect 1 "$duckback" copy app.duckdb worked.duckdb
  says "is no copy any more"
}
expect 0 "$duckback" copy app.duckdb worked.duckdb
expect 0 "$duckback" copy app.duckdb worked.duckdb
sql worked.duckdb "CREATE TABLE precious AS SELECT 42 AS x"
worked
[ "$("$DUCKDB_RUN" --read-only "$lib" worked.duckdb "SELECT x FROM precious")" = 42 ] || fail "it was replaced"
rm worked.duckdb*
expect 0 "$duckback" copy app.duckdb worked.duckdb
"$DUCKDB_RUN" --crash "$lib" worked.duckdb "INSERT INTO t VALUES (1, 'one')" >made || fail "writing"
worked
rm worked.duckdb*
expect 0 "$duckback" copy app.duckdb worked.duckdb
start_writer worked.duckdb
expect 11 "$duckback" copy app.duckdb worked.duckdb
says "in use by"
exec 9>&-; wait "$writer_pid"; writer_pid=
# Copied with other tools it is younger than its record, and is still what that says.
touch worked.duckdb
expect 0 "$duckback" copy app.duckdb worked.duckdb

# What is meant to be a snapshot, and what is no path.
expect 0 "$duckback" init repo
expect 1 "$duckback" copy app.duckdb repo/
says "duckback backup --repo"
expect 1 "$duckback" copy app.duckdb s3:/bucket/app.duckdb
expect 2 "$duckback" init s3:/bucket/app
expect 0 "$duckback" backup app.duckdb --repo repo
expect 2 "$duckback" restore latest --repo repo --to s3://bucket/app.duckdb
[ ! -e s3: ] || fail "a folder of that name was made"
