#!/usr/bin/env python3
"""duckback's repository against restic and borg, as paired runs of whole processes on this machine.

  bench/repository.py [--mebibytes 1024] [--pairs 5] [--folder /var/tmp] [--quick]

A closed database in the page cache; each tool writes to a repository of its own in the same folder. The commands
of a pair run right after each other, in turns first and second; the figure is the median of the pairs' ratios.
restic always encrypts, so it is compared with an encrypted duckback repository too; borg runs without encryption,
with zstd,1. Everything is made in a folder of its own below --folder and removed. --quick is a small run that only
shows that all this works.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

from database import make_database  # noqa: E402
from measure import Command, compare, filesystem, machine, options  # noqa: E402


def run(argv, environment=None):
    done = subprocess.run([str(word) for word in argv], env={**os.environ, **(environment or {})}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(map(str, argv))}\nfailed:\n{done.stdout[-2000:]}")
    return done.stdout


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Tool:
    """A backup program with a repository at `folder`."""

    environment = {}

    def __init__(self, folder):
        self.folder, self.count = folder, 0

    def init(self):
        if self.folder.exists():
            shutil.rmtree(self.folder)
        run(self.init_argv(), self.environment)

    def size(self):
        return size(self.folder)

    def command(self, name, argv, prepare=None, target=None):
        if target:
            def prepare():  # noqa: F811
                if target.is_dir():
                    shutil.rmtree(target)
                else:
                    target.unlink(missing_ok=True)
        return Command(f"{self.name} {name}", argv, prepare, self.environment)


class Duckback(Tool):
    def __init__(self, folder, encrypted):
        super().__init__(folder)
        self.encrypted = encrypted
        self.name = "duckback, encrypted," if encrypted else "duckback"
        if encrypted:
            self.environment = {"DUCKBACK_PASSWORD": "benchmark"}

    def init_argv(self):
        return [BUILD / "duckback", "init", self.folder, "--quiet"] + (["--encrypt"] if self.encrypted else [])

    def backup(self, database, prepare=None):
        return self.command("backup", [BUILD / "duckback", "backup", database, "--repo", self.folder, "--quiet"], prepare)

    def restore(self, target):
        return self.command("restore", [BUILD / "duckback", "restore", "latest", "--repo", self.folder, "--to", target,
                                        "--quiet"], target=target)

    def delta(self, target, prepare):
        return self.command("restore --delta", [BUILD / "duckback", "restore", "latest", "--repo", self.folder, "--to",
                                                target, "--delta", "--quiet"], prepare)


class Restic(Tool):
    name = "restic"

    def __init__(self, folder, cache):
        super().__init__(folder)
        self.environment = {"RESTIC_PASSWORD": "benchmark", "RESTIC_CACHE_DIR": str(cache), "RESTIC_REPOSITORY": str(folder)}

    def init_argv(self):
        return ["restic", "init", "--quiet"]

    def backup(self, database, prepare=None):
        return self.command("backup", ["restic", "backup", "--quiet", database], prepare)

    def restore(self, target):
        return self.command("restore", ["restic", "restore", "latest", "--target", target], target=target)

    def delta(self, target, prepare):
        return self.command("restore", ["restic", "restore", "latest", "--target", target], prepare)


class Borg(Tool):
    name = "borg"

    def __init__(self, folder, home):
        super().__init__(folder)
        self.environment = {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
                            "BORG_BASE_DIR": str(home), "BORG_REPO": str(folder)}

    def init_argv(self):
        return ["borg", "init", "--encryption", "none"]

    def backup(self, database, prepare=None):
        # {now} with microseconds: every archive has a name of its own.
        return self.command("create", ["borg", "create", "--compression", "zstd,1", "::{now:%s.%f}", database], prepare)


class Source:
    """A database that changes between backups."""

    def __init__(self, path, mebibytes):
        self.path, self.changes = path, 0
        self.duckdb_run, self.library = BUILD / "test/support/duckdb_run", BUILD / "libduckdb.so"
        make_database(str(self.duckdb_run), str(self.library), str(path), mebibytes)

    def sql(self, text):
        run([self.duckdb_run, self.library, self.path, text])
        self.warm()

    def warm(self):
        with open(self.path, "rb", buffering=0) as file:
            while file.read(1 << 22):
                pass

    def change_one_row(self):
        self.changes += 1
        self.sql(f"UPDATE shop.orders SET amount = {self.changes} WHERE id = 4711; CHECKPOINT")

    def change_one_percent(self):
        self.changes += 1
        self.sql(f"UPDATE events SET took = {self.changes} WHERE hash(rowid, {self.changes}) % 100 = 0; CHECKPOINT")


def main():
    args = options(__doc__, pairs=5)
    for program in ("restic", "borg"):
        if shutil.which(program) is None:
            print(f"skipped: {program} is not installed; make setup")
            return 77
    if not (BUILD / "duckback").exists():
        raise SystemExit("bench: there is no release build: make build")
    subprocess.run(["cmake", "--build", str(BUILD), "--target", "duckdb_run"], check=True, stdout=subprocess.DEVNULL)
    needed = 12 * args.mebibytes << 20
    if shutil.disk_usage(args.folder).free < needed:
        raise SystemExit(f"bench: {args.folder} has less than {needed >> 20} MiB free: name another --folder")

    with tempfile.TemporaryDirectory(prefix="duckback-bench-", dir=args.folder) as name:
        folder = pathlib.Path(name)
        source = Source(folder / "source.duckdb", args.mebibytes)
        print(f"{machine()}; {filesystem(folder)}")
        print(run(["restic", "version"]).strip() + "; " + run(["borg", "--version"]).strip())
        print(f"a closed database of {source.path.stat().st_size >> 20} MiB, in the page cache\n", flush=True)
        measure(folder, source, args.pairs)
    return 0


def measure(folder, source, pairs):
    ours, sealed = Duckback(folder / "ours", False), Duckback(folder / "sealed", True)
    restic, borg = Restic(folder / "restic", folder / "cache"), Borg(folder / "borg", folder / "home")
    database = source.path

    compare("first backup", ours.backup(database, ours.init), restic.backup(database, restic.init), pairs, 1 / 5)
    compare("first backup", ours.backup(database, ours.init), borg.backup(database, borg.init), pairs, 1 / 5)
    compare("first backup, encrypted", sealed.backup(database, sealed.init), restic.backup(database, restic.init), pairs)
    sizes = {tool.name: size(tool.folder) for tool in (ours, restic, borg)}
    print("repository: " + ", ".join(f"{name} {bytes / 1e6:.1f} MB" for name, bytes in sizes.items()))
    smallest = min(sizes["restic"], sizes["borg"])
    print(f"  the goal is the same or smaller: {'met' if sizes['duckback'] <= smallest else 'MISSED'}\n", flush=True)

    # Nothing changed, and long enough ago for the times to tell.
    os.utime(database, (database.stat().st_atime, database.stat().st_mtime - 3600))
    for tool in (ours, sealed, restic, borg):
        tool.backup(database).once(count=False)
    settle(database, ours, sealed)
    compare("nothing changed", ours.backup(database), restic.backup(database), 2 * pairs, 1 / 100)
    compare("nothing changed", ours.backup(database), borg.backup(database), 2 * pairs)
    compare("nothing changed, encrypted", sealed.backup(database), restic.backup(database), 2 * pairs)

    change("one row changed", source.change_one_row, source, (ours, restic, borg), pairs, 1 / 20)
    change("1 % of a table's rows changed at random", source.change_one_percent, source, (ours, restic, borg), pairs, None)

    target = folder / "restored.duckdb"
    compare("restore", ours.restore(target), restic.restore(folder / "restored"), pairs, 1 / 4)
    shutil.rmtree(folder / "restored")

    before = folder / "before.duckdb"
    shutil.copyfile(database, before)
    source.change_one_percent()
    for tool in (ours, restic):
        tool.backup(database).once(count=False)

    def old_database(to):
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(before, to)

    beside = folder / "restored" / str(database).lstrip("/")
    compare("restore onto a database before a 1 % change", ours.delta(target, lambda: old_database(target)),
            restic.delta(folder / "restored", lambda: old_database(beside)), pairs)


def settle(database, *tools):
    """Backs up until duckback sees that nothing changes: a file's times tell only when they are old."""
    import time
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(1)
        outputs = [run([BUILD / "duckback", "backup", database, "--repo", tool.folder, "--json"], tool.environment)
                   for tool in tools]
        if all('"untouched":true' in output for output in outputs):
            return
    raise SystemExit("bench: an unchanged database is read again and again")


def change(title, step, source, tools, pairs, goal):
    """Every tool backs up the same change, in turns. The commands, by tool."""
    ours = tools[0]
    commands = {tool: tool.backup(source.path) for tool in tools}
    added = {tool: [] for tool in tools}
    ratios = {tool: [] for tool in tools[1:]}
    for pair in range(pairs):
        step()
        order = tools if pair % 2 == 0 else tuple(reversed(tools))
        seconds = {}
        for tool in order:
            before = tool.size()
            seconds[tool] = commands[tool].once()
            added[tool].append(tool.size() - before)
        for tool in tools[1:]:
            ratios[tool].append(seconds[ours] / seconds[tool])
    print(f"{title}: {pairs} times")
    for tool in tools:
        print(f"{commands[tool]}  added {sorted(added[tool])[len(added[tool]) // 2] / (1 << 20):.2f} MiB")
    for tool in tools[1:]:
        ratio = sorted(ratios[tool])[len(ratios[tool]) // 2]
        verdict = ""
        if goal and tool.name == "restic":
            small = max(added[ours]) <= 1 << 20
            verdict = (f"; the goal is {goal:.2f}: {'met' if ratio <= goal else 'MISSED'}, and at most 1 MiB added: "
                       f"{'met' if small else 'MISSED'}")
        print(f"  ratio to {tool.name} {ratio:.3f} ({min(ratios[tool]):.3f} to {max(ratios[tool]):.3f}), "
              f"{1 / ratio:.1f} times as fast{verdict}")
    print(flush=True)
    return commands


if __name__ == "__main__":
    sys.exit(main())
