# A database that another process has open is copied beside it, and the message names the process.
. "$(dirname "$0")/common.inc"
needs_library
export DUCKBACK_LIBDUCKDB=$lib
make_database app.duckdb
start_writer app.duckdb
tell "INSERT INTO t VALUES (-1, 'committed')"

expect 0 "$duckback" copy app.duckdb copy.duckdb --verify full
says "in use by duckdb_run (pid"
says "certified"
[ "$(rows copy.duckdb)" = 200001 ] || fail "the commit is missing"

# It is no destination.
make_database other.duckdb 10
expect 11 "$duckback" copy other.duckdb app.duckdb
says "in use by duckdb_run (pid"
one_error
tell "SELECT count(*) FROM t"
