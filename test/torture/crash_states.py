#!/usr/bin/env python3
"""Every state in which a crash can leave a database and its WALs, made by DuckDB's own
debug_checkpoint_abort and a kill, then copied by duckback. The copy, opened by DuckDB, must hold
exactly what was committed; what DuckDB makes of a plain copy of all files stands beside it."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

import plan
from sql import Sql, SqlError
from torture import find_tools

WALS = [".wal", ".wal.checkpoint", ".wal.recovery"]
BULK_ROWS = 130_000  # more than a row group: the WAL names blocks of the database file


class Victim:
    """A database under way to its death; counts what was committed."""

    def __init__(self, tools, library, path):
        self.path = path
        self.commits = 0
        self.bulks = 0
        self._tools, self._library = tools, library
        self.open()
        self.sql.run("CREATE TABLE item (id BIGINT PRIMARY KEY, v UBIGINT)")
        self.sql.run("CREATE TABLE bulk (k BIGINT, batch BIGINT, v UBIGINT)")
        self.sql.run("CHECKPOINT")

    def open(self, setting=None):
        self.sql = Sql(self._tools.program, self._library)
        if setting:
            self.sql.run(setting)
        self.sql.attach(self.path)

    def commit(self, count=1, session=1):
        for _ in range(count):
            self.sql.run("INSERT INTO item VALUES (%d, hash(%d))" % ((self.commits,) * 2), session)
            self.commits += 1

    def bulk(self, session=1):
        self.sql.run(
            "INSERT INTO bulk SELECT range, {0}, hash(range, {0}) FROM range({1})".format(
                self.bulks, BULK_ROWS
            ),
            session,
        )
        self.bulks += 1

    def checkpoint_dies(self, where):
        self.sql.run("SET debug_checkpoint_abort = '%s'" % where)
        try:
            self.sql.run("CHECKPOINT")
        except SqlError:
            return
        raise AssertionError("the checkpoint survived its abort %r" % where)

    def checkpoint_dies_beside_commits(self, where):
        """The commits go into .wal.checkpoint. DuckDB lets others commit beside a checkpoint only if
        somebody was inserting when it began."""
        for session in (2, 3):
            self.sql.run("USE torture", session)
        self.sql.run("BEGIN", session=3)
        self.commit(session=3)
        self.sql.run("SET debug_checkpoint_abort = '%s'" % where)
        self.sql.run("SET debug_checkpoint_sleep_ms = 1500")
        self.sql.start("CHECKPOINT", session=2)
        time.sleep(0.5)
        self.sql.run("COMMIT", session=3)
        self.commit(3)
        self.bulk()
        try:
            self.sql.join(2)
        except SqlError:
            return
        raise AssertionError("the checkpoint survived its abort %r" % where)

    def die(self):
        self.sql.kill()


def some_work(victim):
    victim.commit(5)
    victim.bulk()
    victim.sql.run("CHECKPOINT")
    victim.commit(7)
    victim.bulk()


def no_wal(victim):
    some_work(victim)
    victim.sql.run("CHECKPOINT")


def wal(victim):
    some_work(victim)


def wal_of_the_next_generation(victim):
    some_work(victim)
    victim.sql.run("CHECKPOINT")
    victim.commit(2)
    victim.bulk()


def aborted(where):
    def make(victim):
        some_work(victim)
        victim.checkpoint_dies(where)

    return make


def aborted_beside_commits(where):
    def make(victim):
        some_work(victim)
        victim.checkpoint_dies_beside_commits(where)

    return make


def recovery_dies(where):
    def make(victim):
        some_work(victim)
        victim.checkpoint_dies_beside_commits("before_header")
        victim.die()
        try:
            victim.open("SET debug_checkpoint_abort = '%s'" % where)
        except SqlError:
            return
        raise AssertionError("the recovery survived its abort %r" % where)

    return make


ALL, CONCURRENT = (1, 1), (1, 5)
# (state of duckdb's files, how it comes about, since which DuckDB)
STATES = [
    ("S0: no WAL", no_wal, ALL),
    ("S1: a WAL", wal, ALL),
    ("S2: marker, header not written", aborted("before_header"), ALL),
    ("S2: marker, free list written", aborted("after_free_list_write"), ALL),
    ("S3: marker, header written", aborted("before_truncate"), ALL),
    ("S3: the same, file truncated", aborted("before_wal_finish"), CONCURRENT),
    ("S4: a WAL of the next generation", wal_of_the_next_generation, ALL),
    ("S2 with commits beside", aborted_beside_commits("before_header"), CONCURRENT),
    ("S2 with commits beside, free list written", aborted_beside_commits("after_free_list_write"), CONCURRENT),
    ("S3 with commits beside", aborted_beside_commits("before_truncate"), CONCURRENT),
    ("S3 with commits beside, file truncated", aborted_beside_commits("before_wal_finish"), CONCURRENT),
    ("recovery dies before its WAL is in place", recovery_dies("before_moving_recovery"), CONCURRENT),
    ("recovery dies before it removes the checkpoint WAL", recovery_dies("before_deleting_checkpoint_wal"), CONCURRENT),
]


def content(tools, library, path):
    """What DuckDB recovers: (commits, bulks), or why not."""
    try:
        with Sql(tools.program, library) as sql:
            sql.attach(path)
            [[items, last, wrong]] = sql.run(
                "SELECT count(*), max(id) + 1, count(*) FILTER (v <> hash(id)) FROM item"
            )
            [[rows, batches, bad]] = sql.run(
                "SELECT count(*), count(DISTINCT batch), count(*) FILTER (v <> hash(k, batch)) "
                "FROM bulk"
            )
            found = (int(items), int(batches))
            if items != last or wrong != "0" or bad != "0" or int(rows) != found[1] * BULK_ROWS:
                return "wrong rows: %s %s %s %s" % (items, last, rows, bad)
            sql.run("CHECKPOINT")
            return found
    except SqlError as error:
        return str(error)


def copy_files(source, destination):
    for suffix in ["", *WALS]:
        if os.path.exists(source + suffix):
            shutil.copyfile(source + suffix, destination + suffix)


def try_state(tools, version, library, make, folder):
    """(good, what happened)"""
    victim = Victim(tools, library, os.path.join(folder, "victim.duckdb"))
    make(victim)
    victim.die()
    there = [suffix for suffix in WALS if os.path.exists(victim.path + suffix)]
    expected = (victim.commits, victim.bulks)

    raw = os.path.join(folder, "raw.duckdb")
    copy_files(victim.path, raw)
    recovered = content(tools, library, raw)

    copy = os.path.join(folder, "copy.duckdb")
    command = [tools.duckback, "copy", victim.path, copy]
    command += ["--keep-wal", "--verify", "none", "--no-clobber", "--json", "--timeout", "20"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return False, "exit %d: %s" % (done.returncode, done.stderr.strip())
    copied = content(tools, library, copy)
    said = "%s; copy %s" % (" ".join(there) or "no WAL", copied)
    if recovered != expected:
        said += "; DuckDB recovers %s" % (recovered,)
    if copied != expected:
        said += "; committed were %s" % (expected,)
    return copied == expected, said


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", help="build folder (default: build/release or build/dev)")
    parser.add_argument("--duckback", help="the program to try (default: the build's)")
    parser.add_argument("--versions", default="1.4.5,1.5.6")
    options = parser.parse_args()
    options.timeout = 20
    tools = find_tools(options)
    present = plan.present_versions()
    failed = 0
    if not set(options.versions.split(",")) & set(present):
        print("SKIPPED: none of DuckDB %s is in %s" % (options.versions, plan.LIBRARIES))
        return 77
    for version in options.versions.split(","):
        if version not in present:
            print("SKIPPED: there is no DuckDB %s in %s" % (version, plan.LIBRARIES))
            continue
        for state, make, since in STATES:
            if plan.release(version) < since:
                continue
            with tempfile.TemporaryDirectory(prefix="crash-") as folder:
                good, said = try_state(tools, version, present[version], make, folder)
            failed += not good
            print("%-5s %-52s %s (%s)" % (version, state, "good" if good else "BAD", said), flush=True)
    print("%d states failed" % failed if failed else "all states passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
