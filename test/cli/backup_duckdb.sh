# The four ways in which the scripts that it replaces are called.
. "$(dirname "$0")/common.inc"
needs_library
export DUCKBACK_LIBDUCKDB=$lib
mkdir data
make_database data/app.duckdb

expect 0 "$backup_duckdb" --db data/app.duckdb --backup data/backup-20251223.duckdb --method cp
[ "$(cat out)" = "$tmp/data/backup-20251223.duckdb" ] || fail "the path is not the result"
grep -qE '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} INFO ' err || fail "no log"
[ "$(rows data/backup-20251223.duckdb)" = 200000 ] || fail "rows are missing"

expect 0 "$backup_duckdb" --db data/app.duckdb --backup data/backups/ --method cp --timestamp
expect 0 "$backup_duckdb" --db data/app.duckdb --backup data/backups/ --method cp --timestamp
[ "$(ls data/backups | grep -cE '^backup-[0-9]{8}-[0-9]{6}(-2)?\.duckdb$')" = 2 ] || fail "names: $(ls data/backups)"

expect 1 "$backup_duckdb" --db data/none.duckdb --backup data/x.duckdb
says "ERROR"
expect 1 "$backup_duckdb" --db data/app.duckdb
expect 1 "$backup_duckdb" --db data/app.duckdb --backup data/x.duckdb --method rsync
says "give one of: cp, attach"
expect 1 "$backup_duckdb" --db data/app.duckdb --backup data/x.duckdb --method 1
expect 0 "$backup_duckdb" -h

# Advice names the program that has the option.
printf 'x' | dd of=data/app.duckdb bs=1 seek=600000 conv=notrunc 2>dd.log
expect 1 "$backup_duckdb" --db data/app.duckdb --backup data/x.duckdb
says '`duckback copy --allow-damaged`'
golden=$(dirname "$DUCKBACK_DEPS")/test/golden
expect 1 "$backup_duckdb" --db "$golden/v68-gcm.duckdb" --backup data/x.duckdb --method attach
says 'give it to `duckback copy` with --key-file'
