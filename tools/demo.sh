#!/usr/bin/env bash
# A demonstration: a program writes to a DuckDB database without pause; the same moments are copied once
# with cp and once with duckback, and DuckDB opens both copies. Every transaction of the writer adds
# orders and books their number in another table, so a right copy has as many orders as the books say.
# The database changes fast (a checkpoint at every MB of WAL) to show within seconds what otherwise
# happens some night.
#   tools/demo.sh [ROUNDS_MOST]
set -euo pipefail
cd "$(dirname "$0")/.."

rounds_most=${1:-20}
library=.deps/libduckdb.so
cmake --build build/release --target duckdb_run >build/build.log 2>&1 || { tail build/build.log >&2; exit 1; }
duckdb=build/release/test/support/duckdb_run

work=$(mktemp -d "${TMPDIR:-/tmp}/duckback-demo-XXXXXX")
writer=
clean_up() {
  touch "$work/stop"
  [ -z "$writer" ] || wait "$writer" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

make_database="
  CREATE TABLE archive AS SELECT i AS id, hash(i) AS a, hash(i + 1) AS b, hash(i + 2) AS c, hash(i + 3) AS d
    FROM range(10000000) t(i);
  CREATE TABLE orders (id BIGINT, customer INTEGER, amount DECIMAL(12, 2), note VARCHAR);
  CREATE TABLE books (orders_in_total BIGINT);
  INSERT INTO books VALUES (0);
  CHECKPOINT;
  SET wal_autocheckpoint = '20KB';"

# One transaction after the other, each answered before the next is sent.
write_without_pause() {
  local answer count=0 errors=0
  coproc DUCKDB { exec "$duckdb" --hold "$library" "$work/app.duckdb" "$make_database"; }
  while read -r answer <&"${DUCKDB[0]}" && [ "$answer" != ready ]; do :; done
  touch "$work/ready"
  while [ ! -e "$work/stop" ]; do
    echo "BEGIN; INSERT INTO orders SELECT i, i % 500, 1, md5((i * $count)::VARCHAR) FROM range(1000) t(i);" \
      "UPDATE books SET orders_in_total = orders_in_total + 1000; COMMIT;" >&"${DUCKDB[1]}"
    while read -r answer <&"${DUCKDB[0]}"; do
      case $answer in
        ok) count=$((count + 1)); break ;;
        error*) errors=$((errors + 1)); break ;;
      esac
    done
    echo "$count $errors" >"$work/done.new" && mv "$work/done.new" "$work/done"
  done
  exec {DUCKDB[1]}>&-
  wait "$DUCKDB_PID" || true
}

# The WAL may come and go between two looks; only the database must be there.
copy_with_cp() {
  cp "$work/app.duckdb" "$work/cp/" || return
  cp "$work/app.duckdb.wal" "$work/cp/" 2>/dev/null || true
}

# What DuckDB says about a copy: "right …", or what is wrong.
judge() {
  local answer
  if ! answer=$("$duckdb" "$library" "$1" "SELECT count(*), (SELECT max(orders_in_total) FROM books),
      bit_xor(hash(id, customer, amount, note)) FROM orders" 2>&1); then
    echo "BROKEN: $(grep -v '^$' <<<"$answer" | head -n 1 | sed 's/^duckdb_run: //' | cut -c1-60)"
    return
  fi
  local orders booked _
  read -r orders booked _ <<<"$answer"
  if [ "$orders" = "$booked" ]; then echo "right: $orders orders"
  else echo "WRONG, silently: $orders orders, books say $booked"
  fi
}

write_without_pause &
writer=$!
while [ ! -e "$work/ready" ]; do
  kill -0 "$writer" 2>/dev/null || { echo "demo: the writer did not start" >&2; exit 1; }
  sleep 0.1
done

echo "A program is writing to $work/app.duckdb, orders in one table, their number in another."
echo "Each round copies it with cp (database and WAL) and, at the same time, with duckback."
echo
cp_wrong=0 cp_failed=0 duckback_wrong=0 refused=0 copies=0
for ((round = 1; round <= rounds_most; ++round)); do
  mkdir "$work/cp" "$work/duckback"
  copy_with_cp &
  copying=$!
  status=0
  build/duckback copy "$work/app.duckdb" "$work/duckback/app.duckdb" --verify open --quiet \
    >/dev/null 2>"$work/messages" || status=$?
  wait "$copying" || cp_failed=$((cp_failed + 1))
  by_cp=$(judge "$work/cp/app.duckdb")
  if [ $status = 0 ]; then
    copies=$((copies + 1))
    by_duckback=$(judge "$work/duckback/app.duckdb")
    case $by_duckback in right*) ;; *) duckback_wrong=$((duckback_wrong + 1)) ;; esac
  elif [ $status = 15 ]; then
    refused=$((refused + 1))
    by_duckback="no copy: too busy for a consistent image"
  else
    cat "$work/messages" >&2
    exit 1
  fi
  case $by_cp in right*) ;; *) cp_wrong=$((cp_wrong + 1)) ;; esac
  printf 'round %-2d  cp        %s\n          duckback  %s\n' "$round" "$by_cp" "$by_duckback"
  rm -rf "$work/cp" "$work/duckback"
  [ $round -lt 8 ] || [ $cp_wrong -lt 3 ] || break
done
read -r transactions errors <"$work/done"
echo
echo "cp:       $((copies + refused - cp_wrong)) right, $cp_wrong wrong, of $((copies + refused)) copies; cp reported $cp_failed errors"
echo "duckback: $((copies - duckback_wrong)) right, $duckback_wrong wrong, $refused refused, of $((copies + refused)) copies"
echo "The writer made $transactions transactions meanwhile and had $errors errors."
echo
echo "Your own database:  make backup DB=path/to/your.duckdb"
[ $duckback_wrong = 0 ] && [ $copies -gt 0 ]
