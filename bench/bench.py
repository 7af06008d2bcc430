#!/usr/bin/env python3
"""duckback against what people use today, as paired runs of whole processes on this machine.

  bench/bench.py [--mebibytes 1024] [--pairs 9] [--folder /var/tmp] [--quick]

The two commands of a pair run right after each other, in turns first and second; the figure is the median of
the pairs' ratios. The source is in the page cache, and the disk is idle before each run. Everything is made in
a folder of its own below --folder and removed. --quick is a small run that only shows that all this works.
"""

import argparse
import contextlib
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

from database import make_database  # noqa: E402


class Run:
    """A command, timed as a whole process; `cleanup` removes what it made, outside the time."""

    def __init__(self, name, argv, target):
        self.name, self.argv, self.target = name, argv, pathlib.Path(target)
        self.seconds, self.peak_kib = [], 0

    def once(self):
        self.clean()
        os.sync()
        with tempfile.TemporaryFile() as output:
            began = time.monotonic()
            process = subprocess.Popen(self.argv, stdout=output, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                raise SystemExit(f"bench: {' '.join(self.argv)}\nfailed:\n{output.read().decode()[-2000:]}")
        self.peak_kib = max(self.peak_kib, usage.ru_maxrss)
        return seconds

    def clean(self):
        for path in self.target.parent.glob(self.target.name + "*"):
            path.unlink()


def compare(title, ours, theirs, pairs, goal):
    for run in (ours, theirs):  # once for the caches
        run.once()
    ratios = []
    for pair in range(pairs):
        order = (ours, theirs) if pair % 2 == 0 else (theirs, ours)
        seconds = {run: run.once() for run in order}
        for run in order:
            run.seconds.append(seconds[run])
        ratios.append(seconds[ours] / seconds[theirs])
    for run in (ours, theirs):
        run.clean()
    ratio = statistics.median(ratios)
    print(f"{title}: {pairs} pairs")
    for run in (ours, theirs):
        print(f"  {run.name:<44} {statistics.median(run.seconds):7.3f} s  ({min(run.seconds):.3f} to "
              f"{max(run.seconds):.3f})  peak {run.peak_kib / 1024:6.0f} MiB")
    print(f"  ratio {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}); the goal is {goal:.1f}: "
          f"{'met' if ratio <= goal else 'MISSED'}")
    print(flush=True)


def compare_with_cp(title, source, folder, pairs, goal):
    ours, theirs = folder / "ours.duckdb", folder / "theirs.duckdb"
    compare(title,
            Run("duckback copy", [str(BUILD / "duckback"), "copy", str(source), str(ours), "--verify", "blocks",
                                  "--quiet"], ours),
            Run("cp --reflink=never, sync", ["sh", "-c", 'cp --reflink=never "$1" "$2" && sync "$2"', "sh", str(source),
                                             str(theirs)], theirs),
            pairs, goal)


@contextlib.contextmanager
def mounted_xfs(folder, mebibytes):
    """A loop-mounted XFS with reflinks; None, with the reason printed, where that cannot be had."""
    image, mount_point = folder / "xfs.image", folder / "xfs"
    mount_point.mkdir()
    with open(image, "wb") as file:
        file.truncate(mebibytes << 20)
    reason = None
    if os.geteuid() != 0:
        reason = "mounting needs root"
    elif shutil.which("mkfs.xfs") is None:
        reason = "mkfs.xfs is not installed"
    else:
        for argv in (["mkfs.xfs", "-q", "-m", "reflink=1", str(image)],
                     ["mount", "-o", "loop", str(image), str(mount_point)]):
            done = subprocess.run(argv, capture_output=True, text=True)
            if done.returncode != 0:
                reason = f"{argv[0]}: {done.stderr.strip()}"
                break
    if reason:
        print(f"skipped: copy on XFS ({reason})\n")
        yield None
        return
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", str(mount_point)], check=True)


def machine():
    with open("/proc/cpuinfo") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return f"{cpu}, {os.cpu_count()} cores, {memory} GiB, Linux {platform.release()}"


def filesystem(folder):
    done = subprocess.run(["df", "--output=fstype", folder], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--folder", default="/var/tmp")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if args.quick:
        args.mebibytes, args.pairs = 48, 1

    if not (BUILD / "duckback").exists():
        raise SystemExit("bench: there is no release build: make build")
    subprocess.run(["cmake", "--build", str(BUILD), "--target", "duckdb_run"], check=True, stdout=subprocess.DEVNULL)
    duckdb_run, library = str(BUILD / "test/support/duckdb_run"), str(BUILD / "libduckdb.so")
    needed = 6 * args.mebibytes << 20
    if shutil.disk_usage(args.folder).free < needed:
        raise SystemExit(f"bench: {args.folder} has less than {needed >> 20} MiB free: name another --folder")

    with tempfile.TemporaryDirectory(prefix="duckback-bench-", dir=args.folder) as name:
        folder = pathlib.Path(name)
        source = folder / "source.duckdb"
        make_database(duckdb_run, library, str(source), args.mebibytes)
        print(f"{machine()}; {filesystem(folder)}")
        print(f"a closed database of {source.stat().st_size >> 20} MiB, in the page cache\n", flush=True)

        compare_with_cp(f"copy on {filesystem(folder)}", source, folder, args.pairs, 1.2)
        with mounted_xfs(folder, 4 * args.mebibytes + 512) as xfs:
            if xfs:
                shutil.copyfile(source, xfs / "source.duckdb")
                compare_with_cp("copy on XFS, which shares blocks", xfs / "source.duckdb", xfs, args.pairs, 1.2)

        ours, theirs = folder / "ours.duckdb", folder / "theirs.duckdb"
        compare("logical copy",
                Run("duckback copy --method attach", [str(BUILD / "duckback"), "copy", str(source), str(ours), "--method",
                                                      "attach", "--quiet"], ours),
                Run("COPY FROM DATABASE in DuckDB", [duckdb_run, library, str(source),
                                                     f"ATTACH '{theirs}' AS target; COPY FROM DATABASE source TO target;"
                                                     " DETACH target"], theirs),
                max(1, args.pairs // 2), 1.1)


if __name__ == "__main__":
    main()
