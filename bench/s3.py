#!/usr/bin/env python3
"""duckback's repository in a bucket against restic's, as paired runs of whole processes, at one server on this machine.

  bench/s3.py [--mebibytes 1024] [--pairs 5] [--folder /var/tmp] [--quick]

The server is Ceph's RADOS Gateway with its objects in memory (test/support/with_rgw.py); it shares this machine's
processors with who is measured. Pairs and ratios as in bench/repository.py. restic always encrypts, so an encrypted
repository of duckback is compared too. Every first backup begins with an empty bucket. --quick is a small run that only
shows that all this works.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from repository import BUILD, ROOT, Duckback, Restic, Source, change, run
from measure import compare, filesystem, machine, options

PEAK_MIB = 192


class Bucket:
    """A bucket of the server; curl signs what has no body and a query of one word."""

    def __init__(self, name):
        self.name = name
        self.curl("PUT", "")

    def curl(self, method, query, *objects):
        nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        address = f"{os.environ['DUCKBACK_TEST_S3']}/{self.name}"
        urls = [f"{address}/{object}" for object in objects] or [address + query]
        keys = f"{os.environ['AWS_ACCESS_KEY_ID']}:{os.environ['AWS_SECRET_ACCESS_KEY']}"
        return run(["curl", "-sSf", "-X", method, "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", keys,
                    "-H", f"x-amz-content-sha256: {nothing}", *urls])

    def objects(self):
        """The first thousand, with their sizes."""
        found = re.findall(r"<Key>([^<]*)</Key>.*?<Size>(\d+)</Size>", self.curl("GET", ""))
        return {name: int(size) for name, size in found}

    def clear(self):
        while objects := self.objects():
            self.curl("DELETE", "", *objects)


class InBucket:
    """Of a Tool, the repository in a bucket in place of a folder, and `cache`, what it keeps of it on this machine."""

    def init(self):
        self.bucket.clear()
        shutil.rmtree(self.cache, ignore_errors=True)
        run(self.init_argv(), self.environment)

    def size(self):
        return sum(self.bucket.objects().values())


class DuckbackInBucket(InBucket, Duckback):
    def __init__(self, name, cache, encrypted):
        super().__init__(f"s3://{name}/repository", encrypted)
        self.bucket, self.cache = Bucket(name), cache
        self.environment = {**self.environment, "XDG_CACHE_HOME": str(cache),
                            "AWS_ENDPOINT_URL_S3": os.environ["DUCKBACK_TEST_S3"]}

    def command(self, name, argv, prepare=None, target=None):
        return super().command(name, [*argv, "--stats", "--json"], prepare, target)


class ResticInBucket(InBucket, Restic):
    def __init__(self, name, cache):
        super().__init__(f"s3:{os.environ['DUCKBACK_TEST_S3']}/{name}/repository", cache)
        self.bucket, self.cache = Bucket(name), cache


def print_traffic(*commands):
    """What the last run of each exchanged with the server."""
    for command in commands:
        traffic = json.loads(command.output)["traffic"]
        print(f"  {command.name}: {traffic['write_requests']} PUT, POST or LIST; {traffic['read_requests']} GET or HEAD; "
              f"{traffic['delete_requests']} DELETE; {traffic['bytes_sent'] / 1e6:.2f} MB sent, "
              f"{traffic['bytes_received'] / 1e6:.2f} MB received")
        verdict = "met" if command.peak_kib <= PEAK_MIB << 10 else "MISSED"
        print(f"    peak {command.peak_kib / 1024:.0f} MiB; the goal is {PEAK_MIB}: {verdict}")
    print(flush=True)


def measure(folder, source, pairs):
    ours, sealed = (DuckbackInBucket(name, folder / f"cache-{name}", name == "sealed") for name in ("ours", "sealed"))
    restic, database = ResticInBucket("restic", folder / "cache"), source.path

    for tool in (ours, sealed):
        backup = tool.backup(database, tool.init)
        compare(f"first backup, {tool.name}", backup, restic.backup(database, restic.init), pairs, 1 / 3)
        print_traffic(backup)
    sizes = {tool.name: tool.size() for tool in (ours, sealed, restic)}
    print("repository: " + ", ".join(f"{name} {bytes / 1e6:.1f} MB" for name, bytes in sizes.items()) + "\n", flush=True)

    commands = change("one row changed", source.change_one_row, source, (ours, sealed, restic), pairs, 1 / 5)
    print_traffic(commands[ours], commands[sealed])

    for tool in (ours, sealed):
        restore = tool.restore(folder / "restored.duckdb")
        compare(f"restore, {tool.name}", restore, restic.restore(folder / "restored"), pairs)
        print_traffic(restore)


def main():
    args = options(__doc__, pairs=5)
    if shutil.which("restic") is None:
        print("skipped: restic is not installed; make setup")
        return 77
    if not (BUILD / "duckback").exists():
        raise SystemExit("bench: there is no release build: make build")
    if "DUCKBACK_TEST_S3" not in os.environ:
        # Room for three repositories, and for what is deleted but not yet collected.
        server = ROOT / "test/support/with_rgw.py"
        os.execv(server, [str(server), "--gibibytes", str(8 * args.mebibytes // 1024 + 1), sys.executable, *sys.argv])
    subprocess.run(["cmake", "--build", str(BUILD), "--target", "duckdb_run"], check=True, stdout=subprocess.DEVNULL)

    with tempfile.TemporaryDirectory(prefix="duckback-bench-", dir=args.folder) as name:
        folder = pathlib.Path(name)
        source = Source(folder / "source.duckdb", args.mebibytes)
        print(f"{machine()}; {filesystem(folder)}")
        print(run(["restic", "version"]).strip() + "; " + run(["radosgw", "--version"]).strip())
        print(f"a closed database of {source.path.stat().st_size >> 20} MiB, in the page cache\n", flush=True)
        measure(folder, source, args.pairs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
