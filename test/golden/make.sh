#!/bin/sh
# Makes the golden files anew: databases written by real DuckDB libraries, which the test beside
# reads forever. Needs `make setup` and a build; run it only to add a version, for the files that are
# there are the point.
#
#   test/golden/make.sh BUILD_FOLDER [NAME…]
#
# What the files hold is stated here, and again in golden_test.cc:
#   table t (i BIGINT, s VARCHAR): 500 rows, s = 'row ' || i
#   table gone: dropped, its blocks are free
#   -wal files: two more commits that were never checkpointed; a WAL named -rows also holds the
#   ROW_GROUP_DATA of a bulk insert, one named -marker the CHECKPOINT of a writer that died.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: make.sh BUILD_FOLDER [NAME…]}
shift
run=$(find "$build" -name duckdb_run -type f | head -n 1)
deps=$here/../../.deps/libduckdb
only=" $* "

# make NAME DUCKDB OPTIONS SET: the closed database. Then `more NAME DUCKDB OPTIONS SET SQL…` as one writer
# that is killed, so that its WAL stays.
wanted() { [ "$only" = "  " ] || case "$only" in *" $1 "*) true ;; *) false ;; esac; }
# The bundled cipher writes only when told to.
unsafe="SET force_mbedtls_unsafe = 'true'"
none="SELECT 1"
make() {
  wanted "$1" || return 0
  rm -f "$here/$1.duckdb" "$here/$1.duckdb.wal"
  printf '%s\n' "$4" "ATTACH '$here/$1.duckdb' AS d (BLOCK_SIZE 16384$3)" "USE d" \
    "CREATE TABLE t (i BIGINT, s VARCHAR)" \
    "INSERT INTO t SELECT i, 'row ' || i FROM range(500) r(i)" \
    "CREATE TABLE gone AS SELECT hash(i) h FROM range(4000) r(i)" \
    "CHECKPOINT d" "DROP TABLE gone" "CHECKPOINT d" |
    "$run" --hold "$deps/$2/libduckdb.so" :memory: | grep error: || true
}
more() {
  name=$1 duckdb=$2 options=$3 set=$4
  shift 4
  wanted "$name" || return 0
  {
    printf '%s\n' "$set" \
      "ATTACH '$here/$name.duckdb' AS d (TYPE duckdb$options)" "USE d"
    printf '%s\n' "$@"
  } | "$run" --crash --hold "$deps/$duckdb/libduckdb.so" :memory: | grep error: || true
}

make v64-1.1.3 1.1.3 "" "$none"
make v65-1.2.2 1.2.2 ", STORAGE_VERSION 'v1.2.0'" "$none"
make v66-1.3.2 1.3.2 ", STORAGE_VERSION 'v1.3.0'" "$none"
make v67-1.4.5 1.4.5 ", STORAGE_VERSION 'v1.4.0'" "$none"
make v68-1.5.6 1.5.6 ", STORAGE_VERSION 'v1.5.0'" "$none"
make v69-2.0.0 2.0.0 "" "$none"

key=", ENCRYPTION_KEY 'a secret key'"
gcm="$key, ENCRYPTION_CIPHER 'GCM'"
ctr="$key, ENCRYPTION_CIPHER 'CTR'"
one="INSERT INTO t VALUES (5000, 'in the WAL')"
two="DELETE FROM t WHERE i = 7"
make v67-gcm 1.5.6 "$gcm, STORAGE_VERSION 'v1.4.0', debug_encryption_version 'v0'" "$unsafe"
more v67-gcm 1.5.6 "$gcm" "$unsafe" "$one" "$two"
make v68-gcm 1.5.6 "$gcm, STORAGE_VERSION 'v1.5.0'" "$unsafe"
more v68-gcm 1.5.6 "$gcm" "$unsafe" "$one" "$two"
make v68-ctr 1.5.6 "$ctr, STORAGE_VERSION 'v1.5.0'" "$unsafe"
more v68-ctr 1.5.6 "$ctr" "$unsafe" "$one" "$two"

make v64-wal 1.1.3 "" "$none"
more v64-wal 1.1.3 "" "$none" "$one" "$two"
make v68-wal 1.5.6 ", STORAGE_VERSION 'v1.5.0'" "$none"
more v68-wal 1.5.6 "" "$none" "$one" "$two"
# One value only, so that 122,880 rows are small.
make v68-rows 1.5.6 ", STORAGE_VERSION 'v1.5.0'" "$none"
more v68-rows 1.5.6 "" "$none" "$one" "CREATE TABLE bulk AS SELECT 1 i FROM range(122880)"
make v68-marker 1.5.6 ", STORAGE_VERSION 'v1.5.0'" "$none"
more v68-marker 1.5.6 "" "$none" "$one" "$two" "SET debug_checkpoint_abort = 'before_header'" "CHECKPOINT d"
