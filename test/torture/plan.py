"""What the torture runs: the libraries there are, the loads, and the forms of a database."""

import dataclasses
import glob
import json
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARIES = os.path.join(ROOT, ".deps", "libduckdb")
WANTED_VERSIONS = ["1.1.3", "1.2.2", "1.3.2", "1.4.5", "1.5.6", "2.0.0"]

# "load+modifier": what the writer is told, and the environment it gets.
MODIFIERS = {
    "16k": {"arguments": ["--block-size", "16384"]},
    "own": {"own_storage_version": True, "since": (1, 2)},  # else the oldest, DuckDB's default up to 1.5
    # DuckDB's own cryptography writes since 1.5 only.
    "encrypted": {"arguments": ["--encrypted"], "encrypted": True, "since": (1, 5)},
    "nokey": {
        "arguments": ["--encrypted"],
        "encrypted": True,
        "key_unknown": True,
        "since": (1, 5),
    },
    "100kb": {"arguments": ["--wal-autocheckpoint", "100KB"]},
    "1mb": {"arguments": ["--wal-autocheckpoint", "1MB"]},
    # Slow syncs of the database; the header waits once more before it is written.
    "slow": {"environment": {"SLOWSYNC_MS": "60", "SLOWSYNC_HEADER_MS": "60"}},
    "slower": {"environment": {"SLOWSYNC_MS": "150", "SLOWSYNC_HEADER_MS": "150"}},
    # The capture's reads are slow, as on a disk.
    "slowread": {"reader": {"SLOWSYNC_READ_US": "3000"}},
    "slowerread": {"reader": {"SLOWSYNC_READ_US": "25000"}},
}


def present_versions():
    """{"1.5.6": path of the library}, oldest first."""
    found = {}
    for version in WANTED_VERSIONS:
        files = glob.glob(os.path.join(LIBRARIES, version, "*duckdb*.so"))
        if files:
            found[version] = files[0]
    return found


def release(version):
    """(1, 5) of "1.5.6"."""
    return tuple(int(x) for x in re.findall(r"\d+", version)[:2])


def known_loads(program):
    lines = subprocess.run([program, "loads"], check=True, capture_output=True, text=True).stdout
    return {load["name"]: load for load in map(json.loads, lines.splitlines())}


@dataclasses.dataclass
class Cell:
    """One version under one load: a row group of the result."""

    version: str
    library: str
    load: dict
    modifiers: list

    @property
    def name(self):
        return "+".join([self.load["name"], *self.modifiers])

    def _collect(self, key):
        collected = {}
        for modifier in self.modifiers:
            collected.update(MODIFIERS[modifier].get(key, {}))
        return collected

    @property
    def arguments(self):
        """For the writer."""
        listed = [a for m in self.modifiers for a in MODIFIERS[m].get("arguments", [])]
        if any(MODIFIERS[m].get("own_storage_version") for m in self.modifiers):
            listed += ["--storage-version", "v%d.%d.0" % release(self.version)]
        return listed

    @property
    def environment(self):
        return self._collect("environment")

    @property
    def reader_environment(self):
        return self._collect("reader")

    @property
    def encrypted(self):
        return any(MODIFIERS[m].get("encrypted") for m in self.modifiers)

    @property
    def key_unknown(self):
        return any(MODIFIERS[m].get("key_unknown") for m in self.modifiers)

    @property
    def judged_absolutely(self):
        """Whether a single bad image is a failure. DuckDB from 1.5 on cannot recover from a crash
        either when deletes commit beside a checkpoint (its #25970, #25395)."""
        return not (self.load["deletes_beside_checkpoints"] and release(self.version) >= (1, 5))


def make_cell(version, library, loads, name):
    """None if the load makes no sense for that version."""
    load, *modifiers = name.split("+")
    if load not in loads:
        raise SystemExit("there is no load %r; there are: %s" % (load, " ".join(loads)))
    for modifier in modifiers:
        if modifier not in MODIFIERS:
            raise SystemExit(
                "there is no modifier %r; there are: %s" % (modifier, " ".join(MODIFIERS))
            )
    cell = Cell(version, library, loads[load], modifiers)
    since = max([release(cell.load["since"]), *(MODIFIERS[m].get("since", (1, 1)) for m in modifiers)])
    return cell if release(version) >= since else None
