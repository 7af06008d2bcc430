# docs/json.md lists the members that the commands of repositories print: all of them, and no others.
documented=$(cd "$(dirname "$0")/../../docs" && pwd)/json.md
. "$(dirname "$0")/common.inc"
needs_library
unset DUCKBACK_REPO; HOME=$tmp; export HOME
cat >members.py <<'PYTHON'
"""members.py DOCUMENT COMMAND: compares what is in `out` with the document's row of COMMAND."""
import json, re, sys

text = open(sys.argv[1]).read()
command = sys.argv[2]
snapshot = set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", text[text.index("A **snapshot** is"):].split("\n\n")[0])))
row = re.search(rf"^\| `{command}`[^|]* \| (.*) \|$", text, re.MULTILINE)
if command == "check":
    section = text[text.index("### `duckback check`"):].split("\n## ")[0]
    wanted = {name for cell in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)}
elif row[1].startswith("a snapshot with"):
    wanted = snapshot | set(re.findall(r"`(\w+)`", row[1].split(";")[0]))
elif row[1].startswith("an array of snapshots"):
    wanted = snapshot
else:
    wanted = set(re.search(r"`\{([\w, ]+)\}`", row[1])[1].split(", "))
got = json.loads(open("out").readline())
got = set(got[0] if isinstance(got, list) else got)
if got != wanted:
    sys.exit(f"{command}: not documented {sorted(got - wanted)}, not printed {sorted(wanted - got)}")
PYTHON
# as_documented COMMAND STATUS ARGUMENT…
as_documented() {
  command=$1 status=$2; shift 2
  expect "$status" "$duckback" $command --json "$@"
  python3 members.py "$documented" "$command" 2>difference || fail "$(cat difference)"
}
make_database app.duckdb 1000
as_documented init 0 repo
export DUCKBACK_REPO="$tmp/repo"
as_documented backup 0 app.duckdb
as_documented backup 0 app.duckdb
as_documented snapshots 0
as_documented restore 0 latest --to back.duckdb
as_documented restore 0 latest --to back.duckdb --force
as_documented forget 0 --keep-last 1
as_documented stats 0
as_documented check 0 --read-data
as_documented diff 0 latest latest
as_documented "repair index" 0
as_documented prune 0
expect 0 "$duckback" init second
as_documented sync 0 second
echo secret >password
expect 0 "$duckback" init safe --encrypt --password-file password
as_documented "key list" 0 --repo safe --password-file password
as_documented "key export" 0 key-backup --repo safe --password-file password
