#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets from the golden files: test/fuzz/make_seeds.py"""
import pathlib
import struct

here = pathlib.Path(__file__).parent
golden = here.parent / "golden"


def seed(target, name, content):
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


for path in sorted(golden.glob("*.duckdb")):
    content = path.read_bytes()
    seed("header", path.stem, content[:176] + content[4096:4160] + content[8192:8256])
    if b"\x01" == content[20:21]:  # encrypted
        continue
    slots = [content[offset:offset + 64] for offset in (4096, 8192)]
    slot = max(slots, key=lambda s: struct.unpack_from("<Q", s, 8))
    free_list, count = struct.unpack_from("<QQ", slot, 24)
    block, sub = free_list & (1 << 56) - 1, free_list >> 56
    at = 12288 + block * 16384 + 8 + sub * 248
    # The same sub-block, moved to block 0.
    seed("free_list", path.stem, struct.pack("<QQ", count, 0) + content[at:at + 248])

for path in sorted(golden.glob("*.wal")):
    mode = {"v67-gcm": 1, "v68-gcm": 3, "v68-ctr": 7}.get(path.name.split(".")[0], 0)
    seed("wal", path.name, bytes([mode | 15 << 3]) + path.read_bytes())
