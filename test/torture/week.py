#!/usr/bin/env python3
"""A week of hourly snapshots of a database that changes, forgotten and pruned as cron would: every snapshot that is
kept gives back what was there at its hour.

  test/torture/week.py [--build DIR] [--hours N] [--keep-hourly N] [--keep-daily N] [--seed N] [--kills PERCENT]

The programs see a clock that is one hour later every hour (clock.c); the repository's files become an hour older
instead, for prune's grace time is by the store's clock. Each restored snapshot is compared, byte for byte, with a copy
that was made at its hour, and in DuckDB, table by table and both ways, with the files that `cp` took while nobody had
the database open. Ends with `N passed, N failed, N skipped`, one case a restored snapshot.
"""

import argparse
import filecmp
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HOUR = 3600


class Week:
    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.build = pathlib.Path(arguments.build)
        self.library = ROOT / ".deps/libduckdb" / arguments.duckdb / "libduckdb.so"
        self.random = random.Random(arguments.seed)
        self.folder = folder
        self.database = folder / "app.duckdb"
        self.repository = folder / "repo"
        self.images = {}  # by snapshot id: the folder of what was there
        self.tables = 0
        self.hour = 0
        self.failed, self.passed, self.killed = 0, 0, 0

    # The hour that programs see. They begin in the middle of one, so that none is skipped.
    def environment(self):
        to_middle = HOUR // 2 - int(self.began) % HOUR
        return {**os.environ, "TZ": "UTC", "LD_PRELOAD": str(self.build / "test/torture/clock.so"),
                "CLOCK_SHIFT_SECONDS": str(to_middle + self.hour * HOUR - int(time.time() - self.began)),
                "DUCKBACK_REPO": str(self.repository)}

    def duckback(self, *words, may_fail=False):
        done = subprocess.run([self.build / "duckback", *map(str, words)], env=self.environment(), cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0 and not may_fail:
            raise SystemExit(f"hour {self.hour}: exit {done.returncode}: duckback {' '.join(map(str, words))}\n{done.stderr}")
        return done.stdout

    def sql(self, database, text, crash=False):
        words = [self.build / "test/support/duckdb_run", *(["--crash"] if crash else []), self.library, database, text]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"hour {self.hour}: {done.stderr}{text}")
        return done.stdout

    # An hour of work: whatever an application does, ended by closing the database or by dying.
    def work(self):
        kind = self.random.random()
        if kind < 0.1:
            return  # Nobody came.
        statements = []
        for _ in range(self.random.randint(1, 6)):
            rows, at = self.random.randint(1, 4000), self.random.randint(0, 20000)
            choice = self.random.random()
            if choice < 0.45:
                statements.append(f"INSERT INTO t SELECT {at} + i, md5(({self.hour} * i)::VARCHAR), random() FROM range({rows}) r(i)")
            elif choice < 0.65:
                statements.append(f"UPDATE t SET s = 'hour {self.hour}' WHERE i BETWEEN {at} AND {at + rows // 8}")
            elif choice < 0.8:
                statements.append(f"DELETE FROM t WHERE i BETWEEN {at} AND {at + rows}")
            elif choice < 0.9:
                self.tables += 1
                statements.append(f"CREATE TABLE u{self.tables} AS SELECT i, i * random() AS x FROM range({rows * 5}) r(i)")
            elif self.tables > 0:
                statements.append(f"DROP TABLE IF EXISTS u{self.random.randint(1, self.tables)}")
            if self.random.random() < 0.25:
                statements.append("CHECKPOINT")
        self.sql(self.database, ";\n".join(statements), crash=self.random.random() < 0.5)

    def snapshot(self):
        if self.random.random() * 100 < self.arguments.kills:
            victim = subprocess.Popen([self.build / "duckback", "backup", self.database, "--quiet"], env=self.environment(),
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.random.random() * 0.08)
            victim.send_signal(signal.SIGKILL)
            # Killed behind its commit, it made a snapshot of the same state.
            self.killed += victim.wait() != 0
        before = {one["id"] for one in self.snapshots()}
        image = self.folder / "images" / f"{self.hour:03}"
        image.mkdir(parents=True)
        for suffix in ("", ".wal"):
            source = pathlib.Path(f"{self.database}{suffix}")
            if source.exists():
                shutil.copyfile(source, f"{image}/cold.duckdb{suffix}")
        self.duckback("copy", self.database, image / "copy.duckdb", "--keep-wal", "--quiet")
        one = json.loads(self.duckback("backup", self.database, "--json"))
        self.images[one["id"]] = image
        for extra in before - set(self.images):
            self.images[extra] = image

    def snapshots(self):
        return json.loads(self.duckback("snapshots", "--json"))

    def forget(self):
        before = self.snapshots()
        self.duckback("forget", "--keep-hourly", self.arguments.keep_hourly, "--keep-daily", self.arguments.keep_daily, "--quiet")
        kept = {one["id"] for one in self.snapshots()}
        wanted = set()
        for count, length in ((self.arguments.keep_hourly, 13), (self.arguments.keep_daily, 10)):
            newest = {}  # by hour or day
            for one in sorted(before, key=lambda one: one["time"]):
                newest[one["time"][:length]] = one["id"]
            wanted |= {newest[period] for period in sorted(newest)[-count:]}
        if not wanted <= kept:
            raise SystemExit(f"hour {self.hour}: forgotten against the rules: {wanted - kept}")
        # The oldest while a rule is not full, the last one before a great loss.
        if len(kept) > len(wanted) + 2:
            raise SystemExit(f"hour {self.hour}: {len(kept)} are kept, the rules keep {len(wanted)}")

    def let_an_hour_pass(self):
        for path in self.repository.rglob("*"):
            if path.is_file():
                at = path.stat().st_mtime_ns - HOUR * 1_000_000_000
                os.utime(path, ns=(at, at))
        self.hour += 1

    def check_restored(self, one):
        image, to = self.images[one["id"]], self.folder / "to"
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir()
        self.duckback("restore", one["id"], "--to", to / "back.duckdb", "--quiet")
        problems = []
        for suffix in ("", ".wal"):
            copy, back = pathlib.Path(f"{image}/copy.duckdb{suffix}"), pathlib.Path(f"{to}/back.duckdb{suffix}")
            if copy.exists() != back.exists() or (copy.exists() and not filecmp.cmp(copy, back, shallow=False)):
                problems.append(f"back.duckdb{suffix} is not the copy of its hour")
        for suffix in ("", ".wal"):
            cold = pathlib.Path(f"{image}/cold.duckdb{suffix}")
            if cold.exists():
                shutil.copyfile(cold, f"{to}/cold.duckdb{suffix}")
        attach = f"ATTACH '{to}/back.duckdb' AS back; ATTACH '{to}/cold.duckdb' AS cold;"
        tables = {}
        for name in ("back", "cold"):
            listed = self.sql(":memory:", attach + f"SELECT table_name FROM duckdb_tables() WHERE database_name = '{name}' ORDER BY 1")
            tables[name] = listed.split()
        if tables["back"] != tables["cold"]:
            problems.append(f"tables {tables}")
        else:
            ways = [f"(SELECT count(*) FROM (FROM {a}.{table} EXCEPT ALL FROM {b}.{table}))"
                    for table in tables["cold"] for a, b in (("back", "cold"), ("cold", "back"))]
            if ways and self.sql(":memory:", attach + "SELECT " + " + ".join(ways)).strip() != "0":
                problems.append("rows differ")
        if problems:
            self.failed += 1
            print(f"FAILED  snapshot {one['id']} of {one['time']}: {'; '.join(problems)}")
        else:
            self.passed += 1

    def run(self):
        self.began = time.time()
        self.sql(self.database, "CREATE TABLE t AS SELECT i, md5(i::VARCHAR) AS s, random() AS r FROM range(20000) x(i)")
        self.duckback("init")
        while self.hour < self.arguments.hours:
            self.work()
            self.snapshot()
            self.forget()
            if self.hour % 6 == 5:
                self.duckback("prune", "--quiet")
            if self.hour % 24 == 23:
                self.duckback("check", "--read-data", "--quiet")
                print(f"day {self.hour // 24 + 1}: {len(self.snapshots())} snapshots, {self.killed} backups killed", flush=True)
            kept = {one["id"] for one in self.snapshots()}
            for gone in set(self.images) - kept:
                image = self.images.pop(gone)
                if image not in self.images.values():
                    shutil.rmtree(image)
            self.let_an_hour_pass()
        self.duckback("check", "--read-data", "--quiet")
        kept = self.snapshots()
        for one in kept:
            self.check_restored(one)
        # What was forgotten leaves the disk in the end.
        for _ in range(3 * 24):
            self.let_an_hour_pass()
            if self.hour % 12 == 0:
                self.duckback("prune", "--quiet")
        stats = json.loads(self.duckback("stats", "--json"))
        print(f"{len(kept)} snapshots need {stats['needed_bytes']} bytes, the packs have {stats['pack_bytes']}")
        if stats["pack_bytes"] > 2.5 * stats["needed_bytes"]:
            raise SystemExit("prune leaves too much behind")
        self.duckback("check", "--read-data", "--quiet")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build/release")
    parser.add_argument("--duckdb", default="1.5.6", help="version of the writer")
    parser.add_argument("--hours", type=int, default=7 * 24)
    parser.add_argument("--keep-hourly", type=int, default=24)
    parser.add_argument("--keep-daily", type=int, default=7)
    parser.add_argument("--kills", type=float, default=10, help="percent of the hours whose backup is killed and run again")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    if not (ROOT / ".deps/libduckdb" / arguments.duckdb / "libduckdb.so").exists():
        print(f"skipped: no DuckDB {arguments.duckdb}; run make setup")
        return 77
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="duckback-week-") as name:
        week = Week(arguments, pathlib.Path(name))
        week.run()
    print(f"{week.passed} passed, {week.failed} failed, 0 skipped")
    return 1 if week.failed else 0


if __name__ == "__main__":
    sys.exit(main())
