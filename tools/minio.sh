#!/usr/bin/env bash
# make test-minio: the tests of buckets against MinIO, which is built from its Go module: some minutes, once. Not a part of
# make test: exit 77, with the reason, where it cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v0.0.0-20260212201848-7aac2a2c5b7c
export GOBIN=$PWD/.deps/minio
if [ ! -x "$GOBIN/minio" ]; then
  if ! command -v go >/dev/null || ! go install "github.com/minio/minio@$version"; then
    echo "skipped: Go cannot build MinIO here"
    exit 77
  fi
fi
tools/build.sh tests
export PATH=$GOBIN:$PATH DUCKBACK_DEPS=$PWD/.deps DUCKBACK_BIN=$PWD/build/release
export DUCKDB_RUN=$DUCKBACK_BIN/test/support/duckdb_run
exec test/support/with_minio.py test/s3/all.sh "$DUCKBACK_BIN/test/contract_tests"
