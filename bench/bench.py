#!/usr/bin/env python3
"""duckback against what people use today, as paired runs of whole processes on this machine.

  bench/bench.py [--mebibytes 1024] [--pairs 9] [--folder /var/tmp] [--quick]

The two commands of a pair run right after each other, in turns first and second; the figure is the median of
the pairs' ratios. The source is in the page cache, and the disk is idle before each run. Everything is made in
a folder of its own below --folder and removed. --quick is a small run that only shows that all this works.
"""

import contextlib
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


def writes(name, argv, target):
    """A command that makes `target`; what it made is removed before the next run."""
    def clean():
        for path in target.parent.glob(target.name + "*"):
            path.unlink()

    return Command(name, argv, clean)


def compare_with_cp(title, source, folder, pairs, goal):
    ours, theirs = folder / "ours.duckdb", folder / "theirs.duckdb"
    compare(title,
            writes("duckback copy", [str(BUILD / "duckback"), "copy", str(source), str(ours), "--verify", "blocks",
                                  "--quiet"], ours),
            writes("cp --reflink=never, sync", ["sh", "-c", 'cp --reflink=never "$1" "$2" && sync "$2"', "sh", str(source),
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


def main():
    args = options(__doc__, pairs=9)

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
                writes("duckback copy --method attach", [str(BUILD / "duckback"), "copy", str(source), str(ours), "--method",
                                                      "attach", "--quiet"], ours),
                writes("COPY FROM DATABASE in DuckDB", [duckdb_run, library, str(source),
                                                     f"ATTACH '{theirs}' AS target; COPY FROM DATABASE source TO target;"
                                                     " DETACH target"], theirs),
                max(1, args.pairs // 2), 1.1)


if __name__ == "__main__":
    main()
