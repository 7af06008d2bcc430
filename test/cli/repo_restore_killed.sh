# Case 8: a restore that is killed at any system call leaves no WAL without its database and no pair of
# two generations that DuckDB opens, says what it left, and the same command run again succeeds.
. "$(dirname "$0")/common.inc"
needs_library
command -v strace >/dev/null || skip "no strace"
strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
unset DUCKBACK_REPO; HOME=$tmp; export HOME

# Two states of one database, each with commits that are in its WAL only.
expect 0 "$duckback" init repo
export DUCKBACK_REPO="$tmp/repo"
make_database app.duckdb 4000
expect 0 "$duckback" backup app.duckdb; closed=$(cat out)
"$DUCKDB_RUN" --crash "$lib" app.duckdb "INSERT INTO t SELECT i, 'wal' FROM range(1000) r(i)" >made || fail "writing"
expect 0 "$duckback" backup app.duckdb; with_wal=$(cat out)
sql app.duckdb "INSERT INTO t SELECT i, 'new' FROM range(2000) r(i); CHECKPOINT"
"$DUCKDB_RUN" --crash "$lib" app.duckdb "INSERT INTO t SELECT i, 'wal' FROM range(300) r(i)" >made || fail "writing"
[ -s app.duckdb.wal ] || fail "no WAL"
mkdir now; cp app.duckdb app.duckdb.wal now/

# What DuckDB says of a database, asked of a copy: opening one changes it.
count() {
  rm -rf look; mkdir look; cp "$1" look/it.duckdb
  [ ! -e "$1.wal" ] || cp "$1.wal" look/it.duckdb.wal
  "$DUCKDB_RUN" "$lib" look/it.duckdb "SELECT count(*) FROM t" 2>refusal || echo refused
}
check_left() {
  find to -name '*.wal' -o -name '*.wal.checkpoint' | while read -r wal; do
    database=${wal%.checkpoint}; database=${database%.wal}
    [ -e "$database" ] || echo "$wal has no database"
  done >lone
  [ ! -s lone ] || fail "$1: $(cat lone)"
  for database in to/app.duckdb to/app.duckdb.pre-restore-*; do
    case $database in *.wal) continue ;; esac
    [ -e "$database" ] || continue
    got=$(count "$database")
    case $database in
      # It is kept before its WAL is; until both are, the database itself is still in place.
      *pre-restore*) [ "$got" = 7300 ] || { [ "$got" = 7000 ] && [ "$(count to/app.duckdb)" = 7300 ]; } ;;
      *) [ "$got" = refused ] || [ "$got" = 7300 ] || [ "$got" = "$wanted_rows" ] ;;
    esac || fail "$1: $database opens with $got rows"
    if [ "$got" = refused ]; then
      expect 1 "$duckback" inspect "$database"
      says "a restore of snapshot"
      unfinished=$((unfinished + 1))
    fi
  done
}

steps=0 unfinished=0
# try NAME ROWS SNAPSHOT OPTIONS…: the target is `now`, or (plain) nothing.
try() {
  name=$1 wanted_rows=$2; shift 2
  for call in rename renameat2 link ftruncate pwrite64 fsync; do
    step=0
    while :; do
      step=$((step + 1))
      rm -rf to; mkdir to
      [ "$name" = plain ] || cp now/* to/
      strace -f -o trace -e trace=$call -e inject=$call:signal=KILL:when=$step \
        "$duckback" restore "$@" --to to/app.duckdb >out 2>err
      status=$?
      [ "$status" != 0 ] || break
      steps=$((steps + 1))
      check_left "$name, $call $step"
      expect 0 "$duckback" restore "$@" --to to/app.duckdb
      [ "$(count to/app.duckdb)" = "$wanted_rows" ] || fail "$name, $call $step: not $wanted_rows rows"
      [ -z "$(find to -name '*duckback-*')" ] || fail "$name, $call $step: left $(ls -A to)"
      check_left "$name, $call $step, run again"
    done
    [ "$(count to/app.duckdb)" = "$wanted_rows" ] || fail "$name, $call: not $wanted_rows rows"
    check_left "$name, $call, to its end"
  done
}
try plain 5000 "$with_wal"
try plain 4000 "$closed"
try force 5000 "$with_wal" --force
try force 4000 "$closed" --force
try delta 5000 "$with_wal" --delta
try delta 4000 "$closed" --delta
[ "$steps" -ge 60 ] || fail "only $steps steps were met"
[ "$unfinished" -ge 10 ] || fail "only $unfinished unfinished files were met"
echo "$steps kills, $unfinished unfinished files"
