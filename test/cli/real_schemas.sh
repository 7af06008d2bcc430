# Cases 25 to 27: schemas and values that COPY FROM DATABASE and EXPORT lose or fail on, through --method attach and
# export, while another process has the database open.
. "$(dirname "$0")/common.inc"
needs_library
export DUCKBACK_LIBDUCKDB=$lib

start_writer app.duckdb
tell "CREATE TABLE z_pk (id INTEGER PRIMARY KEY); CREATE TABLE a_fk (id INTEGER REFERENCES z_pk (id));"
tell "INSERT INTO z_pk SELECT range FROM range(50); INSERT INTO a_fk SELECT range % 50 FROM range(500)"
tell "CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree (id)); INSERT INTO tree VALUES (1, NULL)"
tell "INSERT INTO tree VALUES (2, 1), (3, 1); INSERT INTO tree VALUES (4, 2)"
tell "CREATE VIEW b AS SELECT id FROM z_pk; CREATE VIEW a AS SELECT * FROM b; COMMENT ON VIEW a IS 'it''s a view'"
tell "CREATE MACRO twice(x) AS x * 2; CREATE TABLE macros (i INTEGER DEFAULT twice(21), j INTEGER)"
tell "INSERT INTO macros (j) VALUES (1); COMMENT ON COLUMN macros.j IS 'a column'"
tell "CREATE TABLE made (x INTEGER, y INTEGER GENERATED ALWAYS AS (x * 10)); INSERT INTO made VALUES (7)"
tell "CREATE SEQUENCE numbers START 5 INCREMENT 3; SELECT nextval('numbers'); SELECT nextval('numbers')"
tell "CREATE SCHEMA other; CREATE TABLE other.\"select\" (\"a b\" INTEGER); INSERT INTO other.\"select\" VALUES (1)"
tell "CREATE TYPE mood AS ENUM ('a''b', 'c'); CREATE TABLE moods (m mood); INSERT INTO moods VALUES ('a''b')"
tell "CREATE TABLE odd (s VARCHAR, b BLOB, d DOUBLE, u UNION (n INTEGER, s VARCHAR), l INTEGER[][], st STRUCT (x INTEGER, y VARCHAR))"
tell "INSERT INTO odd VALUES ('', ''::BLOB, 'nan', 1::UNION (n INTEGER, s VARCHAR), [[1], [], NULL], {'x': 1, 'y': NULL})"
tell "INSERT INTO odd VALUES (NULL, NULL, NULL, NULL, NULL, NULL), ('NULL', '\\x00\\xFF'::BLOB, -0.0, 'n'::UNION (n INTEGER, s VARCHAR), [], {'x': NULL, 'y': ''})"
tell "CREATE INDEX by_j ON macros (j); CREATE UNIQUE INDEX by_s ON odd (s)"

# What a database holds, as text.
describe() {
  "$DUCKDB_RUN" --read-only "$lib" "$1" "
    SELECT schema_name, table_name, estimated_size FROM duckdb_tables() ORDER BY ALL;" &&
  for query in "SELECT schema_name, view_name, comment FROM duckdb_views() WHERE NOT internal ORDER BY ALL" \
    "SELECT table_name, column_name, column_default, data_type, comment FROM duckdb_columns() WHERE NOT internal AND table_name IN (SELECT table_name FROM duckdb_tables()) ORDER BY ALL" \
    "SELECT index_name, is_unique, sql FROM duckdb_indexes() ORDER BY ALL" \
    "SELECT sum(id) FROM a" "SELECT id, up FROM tree ORDER BY ALL" "SELECT i, j FROM macros" "SELECT y FROM made" \
    "SELECT \"a b\" FROM other.\"select\"" "SELECT m, enum_range(m) FROM moods" \
    "SELECT s IS NULL, s, hex(b), d, u, union_tag(u), l, st FROM odd ORDER BY s NULLS FIRST"; do
    "$DUCKDB_RUN" --read-only "$lib" "$1" "$query" || return 1
  done
}

expect 0 "$duckback" copy app.duckdb logical.duckdb --method attach --verify full
expect 0 "$duckback" copy app.duckdb exported --method export
exec 9>&-; wait "$writer_pid"; writer_pid=
describe app.duckdb >source || fail "the source cannot be described"
describe logical.duckdb >copied || fail "the copy cannot be described"
diff source copied || fail "--method attach changed something"
sql imported.duckdb "IMPORT DATABASE 'exported'"
describe imported.duckdb >imported || fail "the export cannot be imported"
diff source imported || fail "--method export changed something"

# The sequence goes on where the source would.
sql app.duckdb "SELECT nextval('numbers')" >source
for copy in logical imported; do
  sql $copy.duckdb "SELECT nextval('numbers')" >copied
  diff source copied || fail "the sequence of $copy.duckdb goes on elsewhere"
done
exit 0
