#!/usr/bin/env python3
"""Databases of a terabyte, mostly holes on this disk, backed up, changed, backed up again, listed, checked, pruned.

  bench/scale.py [--shape NAME]... [--folder /var/tmp] [--full] [--quick] [--target-mib 128]

Prints for each command its time, its peak memory (ru_maxrss), and what it added to the repository: packs of blocks,
packs of maps, indexes. Fails if a command took more memory than the target. Everything is made in a folder of its own
below --folder and removed. --quick is a small run that only shows that all this works.

Shapes (disk is what they take, with their repository):
  free256      4 M blocks of 256 KiB, 8,192 of them in use, all over the file: 1 TiB, 4 GiB of disk
  free16       67 M blocks of 16 KiB, 131,072 in use: 1 TiB, 5 GiB of disk
  distinct16   1 M blocks of 16 KiB, all in use and different: as many chunks as 256 GiB of 256 KiB; 5 GiB of disk
  repeated256  256 Ki blocks of 256 KiB, all in use, the same 4,096 again and again: 64 GiB, 2 GiB of disk
  With --full the last two have 4 M blocks: 19 GiB and 17 GiB of disk, and an hour.
Files of pages all over the disk are slow to remove: a --folder in memory (tmpfs) spares that.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

from bench import filesystem, machine  # noqa: E402

#                blocks, block bytes, in use (0: all), different (0: all), random bytes in one (0: half), GiB of disk
SHAPES = {
    "free256": (4 << 20, 256 << 10, 8192, 0, 0, 4),
    "free16": (64 << 20, 16 << 10, 131072, 0, 0, 5),
    "distinct16": (1 << 20, 16 << 10, 0, 0, 512, 5),
    "repeated256": (256 << 10, 256 << 10, 0, 4096, 512, 2),
}
QUICK = {
    "free256": (256 << 10, 256 << 10, 512, 0, 0, 1),
    "free16": (4 << 20, 16 << 10, 2048, 0, 0, 1),
    "distinct16": (16 << 10, 16 << 10, 0, 0, 512, 1),
    "repeated256": (4 << 10, 256 << 10, 0, 64, 512, 1),
}


class Scale:
    def __init__(self, folder, shape, numbers, target_mib):
        self.blocks, self.block_bytes, self.used, distinct, filled, _ = numbers
        self.source, self.repo = folder / "source.duckdb", folder / "repo"
        self.restored = folder / "restored.duckdb"
        self.tool = [str(BUILD / "test/support/sparse_database"), str(self.source), str(self.blocks),
                     str(self.block_bytes), str(self.used), str(distinct), str(filled)]
        self.target_mib, self.missed, self.seen = target_mib, [], {}
        print(f"{shape}: {self.blocks:,} blocks of {self.block_bytes >> 10} KiB, {self.used or self.blocks:,} in use")

    def run(self, title, *words):
        command = [str(BUILD / "duckback"), *words, "--repo", str(self.repo), "--quiet"]
        with tempfile.TemporaryFile() as output:
            began = time.monotonic()
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                raise SystemExit(f"scale: {' '.join(command)}\nfailed:\n{output.read().decode()[-2000:]}")
        mib = usage.ru_maxrss / 1024
        added = self.added()
        print(f"  {title:<34} {seconds:8.2f} s  cpu {usage.ru_utime + usage.ru_stime:8.2f} s  peak {mib:6.1f} MiB"
              + "".join(f"  {kind} {size:,}" for kind, size in added.items() if size), flush=True)
        if mib > self.target_mib:
            self.missed.append(f"{title}: {mib:.1f} MiB")

    def added(self):
        """Bytes of the objects that came since the last call, by kind."""
        sizes = {"blocks": 0, "maps": 0, "index": 0, "other": 0}
        if not self.repo.exists():
            return sizes
        for path in self.repo.rglob("*"):
            if not path.is_file() or str(path) in self.seen:
                continue
            self.seen[str(path)] = True
            kind = {"packs": "blocks", "index": "index"}.get(path.relative_to(self.repo).parts[0], "other")
            if kind == "blocks":
                with open(path, "rb") as pack:
                    kind = "maps" if pack.read(9)[8] == 2 else kind  # docs/format.md, "Binary objects"
            sizes[kind] += path.stat().st_size
        return sizes

    def change(self, blocks, turn):
        subprocess.run([*self.tool, str(blocks), str(turn)], check=True)

    def all(self):
        began = time.monotonic()
        subprocess.run(self.tool, check=True)
        disk = self.source.stat().st_blocks * 512
        print(f"  a file of {self.source.stat().st_size >> 30} GiB, {disk >> 20} MiB on disk, made in "
              f"{time.monotonic() - began:.0f} s")
        self.run("init", "init")
        self.run("backup, the first", "backup", str(self.source))
        changed = max(1, (self.used or self.blocks) // 10000)
        self.change(changed, 1)
        self.run(f"backup, {changed} blocks changed", "backup", str(self.source))
        time.sleep(3)  # a change within the clock's grain could not be seen: so fresh a file is read again
        self.run("backup, nothing changed", "backup", str(self.source))
        self.run("backup, once more", "backup", str(self.source))
        self.run("snapshots", "snapshots")
        self.run("stats", "stats")
        self.run("check", "check")
        self.run("prune", "prune")
        if self.used:  # what is mostly holes fits beside
            self.run("restore", "restore", "latest", "--to", str(self.restored))
            self.restored.unlink()
        verdict = "held" if not self.missed else "MISSED: " + ", ".join(self.missed)
        print(f"  the target of {self.target_mib} MiB is {verdict}\n", flush=True)
        return not self.missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", action="append", choices=SHAPES, help="only this one; may be repeated")
    parser.add_argument("--folder", default="/var/tmp")
    parser.add_argument("--target-mib", type=int, default=128)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    shapes = dict(QUICK if args.quick else SHAPES)
    if args.full:
        shapes["distinct16"] = (4 << 20, 16 << 10, 0, 0, 512, 19)
        shapes["repeated256"] = (4 << 20, 256 << 10, 0, 4096, 512, 17)
    if not (BUILD / "duckback").exists():
        raise SystemExit("scale: there is no release build: make build")
    subprocess.run(["cmake", "--build", str(BUILD), "--target", "sparse_database"], check=True,
                   stdout=subprocess.DEVNULL)

    print(f"{machine()}; {filesystem(args.folder)}\n")
    held = True
    for shape in args.shape or shapes:
        needed = shapes[shape][-1] << 30
        if shutil.disk_usage(args.folder).free < needed:
            raise SystemExit(f"scale: {args.folder} has less than {needed >> 30} GiB free: name another --folder")
        with tempfile.TemporaryDirectory(prefix="duckback-scale-", dir=args.folder) as name:
            held &= Scale(pathlib.Path(name), shape, shapes[shape], args.target_mib).all()
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
