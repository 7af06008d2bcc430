"""A database such as applications keep, of any size, made by DuckDB itself."""

import os
import subprocess

SCHEMA = """
CREATE SCHEMA shop;
CREATE TYPE shop.state AS ENUM ('new', 'paid', 'sent', 'returned');
CREATE TABLE shop.customers (id BIGINT, name VARCHAR, mail VARCHAR, country VARCHAR, born DATE, key UUID);
CREATE TABLE shop.orders (id BIGINT, customer BIGINT, moment TIMESTAMP, state shop.state, amount DECIMAL(12, 2),
                          positions STRUCT(article INTEGER, count INTEGER)[]);
CREATE TABLE events (moment TIMESTAMP, session UUID, kind VARCHAR, page VARCHAR, took DOUBLE, detail VARCHAR);
CREATE TABLE readings (sensor INTEGER, moment TIMESTAMP, value DOUBLE, quality UTINYINT, flags BOOLEAN);
CREATE VIEW shop.open_orders AS SELECT * FROM shop.orders WHERE state = 'new';
"""

# About 30 MiB in the file. Seeded by the batch number, so that every run makes the same rows.
BATCH = """
SELECT setseed(1.0 / ({n} + 2));
INSERT INTO shop.customers SELECT {n} * 20000 + i, 'Customer ' || md5(i::VARCHAR || '{n}')[:8],
  md5(random()::VARCHAR)[:12] || '@example.org', ['DE', 'FR', 'US', 'JP', 'BR'][1 + (i % 5)::INTEGER],
  DATE '1950-01-01' + (hash(i, {n}) % 20000)::INTEGER, gen_random_uuid() FROM range(20000) t(i);
INSERT INTO shop.orders SELECT {n} * 150000 + i, (hash(i) % (20000 * ({n} + 1)))::BIGINT,
  TIMESTAMP '2020-01-01' + to_seconds({n} * 400000 + i), ['new', 'paid', 'sent', 'returned'][1 + (hash(i) % 4)::INTEGER],
  (random() * 5000)::DECIMAL(12, 2),
  [{{'article': (hash(i) % 9000)::INTEGER, 'count': 1}}, {{'article': (hash(i + 1) % 9000)::INTEGER, 'count': 2}}]
  FROM range(150000) t(i);
INSERT INTO events SELECT TIMESTAMP '2024-01-01' + to_seconds({n} * 20000 + i // 10), gen_random_uuid(),
  ['view', 'click', 'buy', 'search'][1 + (hash(i, 3) % 4)::INTEGER], '/articles/' || (hash(i, {n}) % 9000), random() * 900,
  '{{"agent": "' || md5((i % 97)::VARCHAR) || '", "query": "' || md5(random()::VARCHAR) || '"}}'
  FROM range(200000) t(i);
INSERT INTO readings SELECT i % 500, TIMESTAMP '2025-01-01' + to_seconds({n} * 1000 + i // 500), random() * 40 - 10,
  hash(i) % 4, i % 7 = 0 FROM range(500000) t(i);
CHECKPOINT;
"""


def make_database(duckdb_run, library, path, mebibytes):
    """Creates a closed database of at least `mebibytes` at `path`."""
    process = subprocess.Popen([duckdb_run, "--hold", library, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)

    def answer():
        for line in process.stdout:
            if line.startswith("error:"):
                raise SystemExit(f"bench: cannot make the database: {line}")
            if line.strip() in ("ready", "ok"):
                return

    def execute(sql):
        process.stdin.write(" ".join(sql.split()) + "\n")
        process.stdin.flush()
        answer()

    answer()
    execute(SCHEMA)
    batch = 0
    while os.path.getsize(path) < mebibytes << 20:
        execute(BATCH.format(n=batch))
        batch += 1
    process.stdin.close()
    if process.wait() != 0:
        raise SystemExit("bench: duckdb_run failed")
