# A database that may not be read, and a folder that may not be written.
. "$(dirname "$0")/common.inc"
needs_library
make_database app.duckdb
mkdir to
if [ "$(id -u)" = 0 ]; then
  chmod 755 "$tmp"
  as_user="setpriv --reuid=65534 --regid=65534 --clear-groups"
  $as_user test -x "$duckback" || skip "another user cannot run $duckback"
else
  as_user=
fi
chmod 000 app.duckdb
chmod 777 to
expect 1 $as_user "$duckback" copy app.duckdb to/copy.duckdb
one_error; says "app.duckdb: Permission denied"
only to ''
chmod 644 app.duckdb
chmod 555 to
expect 1 $as_user "$duckback" copy app.duckdb to/copy.duckdb
one_error; says "Permission denied"
