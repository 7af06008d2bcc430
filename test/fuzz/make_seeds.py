#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, from the golden files where there are some: test/fuzz/make_seeds.py"""
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


def chunk_id(number):
    return struct.pack(">I", number) + bytes(28)


def pack_directory(*chunks):
    entries = b"".join(chunk_id(n) + struct.pack("<II", *lengths) for n, lengths in enumerate(chunks))
    return struct.pack("<BI", 0, sum(stored + 16 for stored, _ in chunks)) + entries


seed("pack", "chunks", pack_directory((100, 100), (20, 300), (0, 0), (1, 1 << 20)))
# "a" a hundred times, as a zstd frame: magic, sizes, one block of a repeated byte.
frame = bytes.fromhex("28b52ffd2064") + struct.pack("<I", 100 << 3 | 1 << 1 | 1)[:3] + b"a"
seed("pack", "frame", struct.pack("<BI", 1, 100) + frame)
seed("pack", "raw", b"\x02duckback" + bytes([1, 1, 0, 0]) + b"\xff" * 32 + bytes(16) + struct.pack("<I", 16) + b"pack")


def index(entries, packs=1, superseded=0, page=512):
    """`entries`: (chunk, pack), in order."""
    content = b"".join(chunk_id(n) + struct.pack("<IIII", pack, 44, 100, 200) for n, pack in entries)
    table = struct.pack("<I", packs)
    table += b"".join(struct.pack("<I", n) * 16 + struct.pack("<QQ", 1000 + n, 1 + n % 2) for n in range(packs))
    table += struct.pack("<I", superseded) + bytes(32 * superseded)
    table += struct.pack("<Q", len(entries)) + b"".join(chunk_id(n) for n, _ in entries[::page])
    if entries:
        table += chunk_id(entries[-1][0])
    return struct.pack("<BI", 0, len(content)) + content + table


seed("index", "few", index([(1, 0), (1, 1), (2, 0)], packs=2, superseded=1))
seed("index", "pages", index([(n // 3, n % 3) for n in range(600)], packs=3))
seed("index", "one_chunk", index([(7, n) for n in range(520)], packs=520))
seed("index", "raw", b"\x01duckback" + bytes([3, 1, 0, 0]) + b"\xff" * 32 + bytes(16 + 16) +
     struct.pack("<I", 32) + b"indx")
