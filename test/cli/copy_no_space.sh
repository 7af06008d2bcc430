# A full disk, or a limit on the size of files: exit 17, and nothing is left.
. "$(dirname "$0")/common.inc"
needs_library
make_database app.duckdb 3000000
mkdir to
expect 17 sh -c 'ulimit -f 2; exec "$@"' sh "$duckback" copy app.duckdb to/copy.duckdb
one_error
only to ''

[ "$(id -u)" = 0 ] && mount -t tmpfs -o size=2m tmpfs to 2>/dev/null || { echo "no mount: the full disk is not tried"; exit 0; }
"$duckback" copy app.duckdb to/copy.duckdb >out 2>err; status=$?
left=$(ls -A to)
umount to
[ $status = 17 ] || fail "exit $status instead of 17"
one_error
says "free"
[ -z "$left" ] || fail "left: $left"
