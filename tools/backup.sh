#!/usr/bin/env bash
# make backup: copies the database $DB to $TO and opens the copy; without DB, the demonstration.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -n "${DB:-}" ] || exec tools/demo.sh
to=${TO:-backups/}

copy=$(build/duckback copy "$DB" "$to" --verify open)
checked=$(grep -o '"level": "[a-z]*"' "$copy.duckback.json" | cut -d '"' -f 4 || true)
echo
echo "Copied   $DB  ($(du -h --apparent-size -- "$DB" | cut -f1))"
echo "to       $copy  ($(du -h --apparent-size -- "$copy" | cut -f1))"
case $checked in
  open | full) echo "checked  every block; DuckDB opened the copy and counted its tables" ;;
  *) echo "checked  ${checked:-nothing}; DuckDB has NOT opened the copy (the messages above say why)" ;;
esac
echo "Next time:"
printf '  %q copy %q %q --verify open\n' "$PWD/build/duckback" "$(realpath -- "$DB")" "$(realpath -- "$to")$([ -d "$to" ] && echo /)"
