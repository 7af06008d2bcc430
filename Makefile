# A front to CMake and tools/: every target is also one command you can type yourself.
#   make setup            install what is missing (Debian packages, DuckDB's library from npm)
#   make build            build/duckback, build/backup_duckdb and build/libduckdb.so
#   make backup DB=FILE   copy a DuckDB database, in use or not, to backups/ (or TO=…) and verify the copy;
#                         without DB: a demonstration on a database that is being written
#   make test             everything that must hold, in 15 minutes;  .ci/run: in an hour
#   make test-minio       the tests of buckets against MinIO in place of Ceph, which Go builds
#   make torture          thousands of copies of databases under load;  MINUTES=…
#   make fuzz             the parsers against hostile bytes;  SECONDS_EACH=…
#   make bench            against cp, COPY FROM DATABASE, restic and borg; in a bucket against restic
#   make install          PREFIX=/usr/local, DESTDIR=
PREFIX ?= /usr/local
TO ?= backups/
MINUTES ?= 60
SECONDS_EACH ?= 600
export DB TO

.PHONY: help build setup backup test test-minio torture fuzz bench install clean
build: ; @tools/build.sh
help: ; @sed -n 's/^#   //p' Makefile
setup: ; @tools/setup.sh all
backup: build ; @tools/backup.sh
test: ; @tools/test.sh
test-minio: ; @tools/minio.sh
torture: ; @tools/setup.sh test && tools/build.sh tests && test/torture/run.sh --minutes $(MINUTES)
fuzz: ; @tools/fuzz.sh $(SECONDS_EACH)
bench: ; @tools/setup.sh all && tools/build.sh && bench/bench.py && bench/repository.py && bench/s3.py
install: build ; @DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"
clean: ; @rm -rf build
