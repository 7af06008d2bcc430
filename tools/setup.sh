#!/usr/bin/env bash
# Installs what this project needs and this machine lacks; says what it does; does nothing twice.
#
#   tools/setup.sh build   a compiler, the libraries and one DuckDB library: enough for make build, make backup
#   tools/setup.sh test    and what make test needs: GoogleTest, DuckDB libraries of every supported version
#   tools/setup.sh all     and what .ci/run, make bench and make fuzz need: clang 14, XFS tools, restic and borg
#                          to compare with (the default)
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-all}
packages=(cmake ninja-build g++ ccache mold libcli11-dev libfmt-dev nlohmann-json3-dev libssl-dev
          libzstd-dev libxxhash-dev libcurl4-openssl-dev libexpat1-dev pkg-config librust-blake3-dev
          python3)
case $level in
  build) ;;
  test | all) packages+=(libgtest-dev libgmock-dev sqlite3 strace libpython3.11 patchelf python3-pip
                         openssl) ;;&
  all) packages+=(clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev xfsprogs
                  restic borgbackup) ;;
  test) ;;
  *) echo "usage: tools/setup.sh [build|test|all]" >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "not root and no sudo here; run as root: $*"
  fi
}

# missing_of PACKAGE…
missing_of() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
    >"$log" 2>&1
}

# Package lists are fetched only when what is there cannot serve.
install_packages() {
  local missing
  mapfile -t missing < <(missing_of "${packages[@]}")
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing Debian packages: ${missing[*]}"
  apt_install "${missing[@]}" && return 0
  say "fetching Debian's package lists first"
  as_root apt-get update -qq >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get update failed"; }
  apt_install "${missing[@]}" || { tail -n 20 "$log" >&2; fail "apt-get install failed"; }
}

# Ceph's S3 server, for test/support/with_rgw.py. The tests that need it say so when they have to do without.
install_s3_server() {
  local missing
  [ "$level" != build ] || return 0
  mapfile -t missing < <(missing_of radosgw ceph-mon ceph-osd ceph-mgr ceph-common)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing an S3 server for the tests: ${missing[*]}"
  apt_install "${missing[@]}" || say "skipped: the S3 server (apt-get: $(tail -n 1 "$log" | cut -c1-100))"
}

# npm's integrity: the SHA-512, in base64.
sha512_base64() {
  printf "$(sha512sum <"$1" | cut -c1-128 | sed 's/../\\x&/g')" | base64 -w0
}

# fetch_library VERSION PACKAGE NPM_VERSION SHA512
fetch_library() {
  local folder=.deps/libduckdb/$1
  [ -e "$folder/libduckdb.so" ] && return 0
  command -v npm >/dev/null || fail "npm is not installed; it is what fetches DuckDB's library (apt-get install npm)"
  say "fetching DuckDB $1 ($2@$3 from npm)"
  local work=$scratch/$1
  mkdir -p "$work" "$folder"
  (cd "$work" && npm pack --silent "$2@$3") >"$log" 2>&1 || { cat "$log" >&2; fail "npm pack $2@$3 failed"; }
  local archive=("$work"/*.tgz)
  [ "$(sha512_base64 "${archive[0]}")" = "$4" ] ||
    fail "$2@$3 does not have the SHA-512 that tools/libduckdb.txt names; nothing was installed"
  tar -xzf "${archive[0]}" -C "$work" package/libduckdb.so
  mv "$work/package/libduckdb.so" "$folder/libduckdb.so"
}

fetch_libraries() {
  local line lines
  mapfile -t lines < <(grep "^$(uname -m) " tools/libduckdb.txt)
  [ ${#lines[@]} -gt 0 ] || { say "no DuckDB library is pinned for $(uname -m): name yours with --libduckdb"; return 0; }
  [ "$level" != build ] || lines=("${lines[-1]}")
  for line in "${lines[@]}"; do
    read -r _ version package npm_version sha512 <<<"$line"
    fetch_library "$version" "$package" "$npm_version" "$sha512"
  done
  ln -sfn "libduckdb/$version/libduckdb.so" .deps/libduckdb.so
}

# DuckDB 2.0.0 is on PyPI only. The tests that use it say so when they have to do without.
fetch_duckdb_2() {
  local folder=.deps/libduckdb/2.0.0 work=$scratch/2.0.0
  local sha256=5a3601121c7cc50d0b70412995634682fafcb58a0156d5d663dfd0b3bbe30a33
  [ "$level" != build ] && [ ! -e "$folder/libduckdb.so" ] || return 0
  [ "$(uname -m)" = x86_64 ] || { say "skipped: DuckDB 2.0.0 (only pinned for x86_64)"; return 0; }
  say "fetching DuckDB 2.0.0 (duckdb==2.0.0 from PyPI)"
  if ! /usr/bin/python3 -m pip download -q --no-deps --only-binary :all: --python-version 3.11 \
      --implementation cp --abi cp311 --platform manylinux_2_28_x86_64 \
      -d "$work" duckdb==2.0.0 >"$log" 2>&1; then
    say "skipped: DuckDB 2.0.0 (PyPI does not answer here: $(tail -n 1 "$log" | cut -c1-100))"
    return 0
  fi
  local wheel=("$work"/*.whl)
  echo "$sha256  ${wheel[0]}" | sha256sum --check --quiet >/dev/null 2>&1 ||
    fail "duckdb 2.0.0 from PyPI does not have the SHA-256 that tools/setup.sh names"
  mkdir -p "$folder"
  /usr/bin/python3 - "${wheel[0]}" "$work" <<'PYTHON'
import pathlib, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
name = next(n for n in wheel.namelist() if n.startswith("_duckdb.cpython") and n.endswith(".so"))
pathlib.Path(sys.argv[2], "libduckdb.so").write_bytes(wheel.read(name))
PYTHON
  # It is a Python module; naming the interpreter's library makes it one that any program can load.
  patchelf --add-needed libpython3.11.so.1.0 "$work/libduckdb.so"
  mv "$work/libduckdb.so" "$folder/libduckdb.so"
}

mkdir -p .deps
scratch=$(mktemp -d .deps/setup-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
log=$scratch/log

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  install_packages
  install_s3_server
else
  say "this is not Debian; if the build misses something, these are the packages: ${packages[*]}"
fi
fetch_libraries
fetch_duckdb_2
say "ready ($level)"
