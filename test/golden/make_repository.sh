#!/bin/sh
# Makes the golden repositories of format version 1 anew, which the test beside reads forever. Needs
# `make setup` and a build; run it only to add a version, for the repositories that are there are the point.
#
#   test/golden/make_repository.sh BUILD_FOLDER [NAME…]
#
# repository-1-NAME/ is one, and repository-1-NAME.txt says of every snapshot (by the id that it had
# first) what the database was: the BLAKE3 of the file and of the WAL ("-": none) of a plain copy that
# was made of the source at that time, by code that knows no repository. Each has
#   app    a first snapshot, forgotten, in trash; one with a tag; one with a WAL, pinned
#   bulk   one whose forerunner was forgotten and pruned: tombstones, an index that supersedes another
#   marks  of packs that only the forgotten one needs
# Passwords: that of `encrypted` is "golden".
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?usage: make_repository.sh BUILD_FOLDER [NAME…]}" && pwd)
shift
# Snapshots name the host that they were made on.
if [ "$(hostname)" != golden ]; then
  exec unshare --uts sh -c 'hostname golden && exec "$0" "$@"' "$0" "$build" "$@"
fi
only=" $* "
duckback=$build/duckback
run=$(find "$build" -name duckdb_run -type f | head -n 1)
lib=$here/../../.deps/libduckdb/1.5.6/libduckdb.so
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
unset DUCKBACK_PASSWORD DUCKBACK_PASSWORD_FILE DUCKBACK_PASSWORD_COMMAND
printf golden >password

sql() { database=$1; shift; printf '%s\n' "ATTACH '$database' AS d (BLOCK_SIZE 16384, STORAGE_VERSION 'v1.5.0')" "USE d" "$@" |
  "$run" --hold "$lib" :memory: | { grep error: && exit 1 || true; }; }
crash() { database=$1; shift; printf '%s\n' "ATTACH '$database' AS d" "USE d" "$@" |
  "$run" --crash --hold "$lib" :memory: | { grep error: && exit 1 || true; }; }
duck() { verb=$1; shift; "$duckback" "$verb" --repo "$repo" $password "$@"; }
# keep DATABASE OPTION…: a snapshot, and a line about its source. Its id is in $id.
keep() {
  database=$1; shift
  rm -rf copy; mkdir copy
  "$duckback" copy -q --keep-wal "$database" copy/one.duckdb >out
  id=$(duck backup -q "$database" --name "${database%.duckdb}" "$@")
  python3 - "$id" >>"$repo.txt" <<'PYTHON'
import json, sys
sidecar = json.load(open("copy/one.duckdb.duckback.json"))
print(sys.argv[1], sidecar["blake3"], sidecar["wal"]["blake3"] if sidecar["wal"] else "-")
PYTHON
}
make() {
  [ "$only" = "  " ] || case "$only" in *" $1 "*) ;; *) return 0 ;; esac
  repo=$here/repository-1-$1
  rm -rf "$repo" "$repo.txt" ./*.duckdb*
  password=
  [ "$1" != encrypted ] || password="--password-file password"
  "$duckback" init -q "$repo" ${password:+--encrypt} $password

  sql bulk.duckdb "CREATE TABLE t AS SELECT i, hash(i) h FROM range(4000) r(i)" "CHECKPOINT d"
  keep bulk.duckdb; bulk=$id
  sql bulk.duckdb "DROP TABLE t" "CREATE TABLE s AS SELECT 1 i" "CHECKPOINT d"
  keep bulk.duckdb
  sed -i "/^$bulk/d" "$repo.txt"
  duck forget -q "$bulk"
  duck prune -q --now

  sql app.duckdb "CREATE TABLE t AS SELECT i, 'row ' || i s FROM range(3000) r(i)" \
    "CREATE TABLE gone AS SELECT hash(i) h FROM range(4000) r(i)" "CHECKPOINT d"
  keep app.duckdb; first=$id
  sql app.duckdb "DROP TABLE gone" "CHECKPOINT d"
  keep app.duckdb --tag early; second=$id
  crash app.duckdb "INSERT INTO t VALUES (5000, 'in the WAL')" "DELETE FROM t WHERE i = 7"
  keep app.duckdb; third=$id
  duck tag add "$second" late >out
  duck pin "$third" >out
  duck forget -q "$first"
  duck prune -q
}
make plain
make encrypted
