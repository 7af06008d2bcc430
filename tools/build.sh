#!/usr/bin/env bash
# The release build: build/duckback, build/backup_duckdb and, beside them, build/libduckdb.so.
#   tools/build.sh [tests]   with the unit tests
set -euo pipefail
cd "$(dirname "$0")/.."

tests=OFF
[ "${1:-}" != tests ] || tests=ON
[ "$tests" = ON ] || tools/setup.sh build

# Clones of this project share compiled files.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=1
mkdir -p build
log=build/build.log
if ! { cmake --preset release -DDUCKBACK_TESTS=$tests && cmake --build build/release; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "build: failed; the whole log is $log" >&2
  exit 1
fi
for file in duckback backup_duckdb libduckdb.so; do
  [ ! -e "build/release/$file" ] || ln -sfn "release/$file" "build/$file"
done
echo "build: build/duckback"
