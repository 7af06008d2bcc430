#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, from the golden files where there are some: test/fuzz/make_seeds.py"""
import json
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


def node(level, places, entry):
    """A node of a map: `entry` is called with the number of each place that holds something."""
    present = bytearray(32)
    for place in places:
        present[place // 8] |= 1 << place % 8
    return struct.pack("<Q", level) + bytes(present) + b"".join(map(entry, places))


def maps(levels, *nodes):
    return bytes(levels) + b"".join(struct.pack("<H", len(n)) + n for n in nodes)


def leaf(places, first=0):
    return node(0, places, lambda place: bytes([place]) * 16 + bytes([(first + place) % 256]) + bytes(31))


def inner(level, children):
    """`children`: place to number of node."""
    return node(level, sorted(children), lambda place: bytes([children[place]]) + bytes(31))


seed("map", "leaves", maps((1, 1), leaf([0, 1, 7]), leaf([1, 7, 255], first=3)))
seed("map", "levels", maps((2, 2), inner(1, {0: 2, 9: 3}), inner(1, {0: 2, 9: 2, 255: 3}), leaf([5]), leaf([0, 64])))
seed("map", "grown", maps((1, 3), leaf([0, 200]), inner(2, {0: 2, 1: 2}), inner(1, {0: 0, 3: 3}), leaf([1])))
seed("map", "one-for-all", maps((3, 2), inner(2, {n: 1 for n in range(256)}), inner(1, {n: 2 for n in range(256)}), leaf([0])))
seed("map", "empty", maps((0, 1), leaf([0]), leaf([255])))

repository = "00112233445566778899aabbccddeeff"
digest = "5a" * 32
part = {"device": 1, "inode": 2, "bytes": 3, "modified_ns": 4, "changed_ns": 5}
details = {
    "duckback": "0.1.0", "certification": "certified", "storage_version": 68, "needs": "DuckDB 1.5", "encrypted": False,
    "identifier": "00" * 16, "iteration": 7, "block_bytes": 262144, "blocks": 5, "free_blocks": 1, "wal_commits": 2,
    "source_bytes": 1000, "damaged_blocks": 0, "wal_damaged": False, "library_version": "v1.5.6",
    "tables": [{"schema": "main", "table": "t", "rows": 500}], "verified": "blocks",
    "source": {"database": part, "wal": part, "wal_checkpoint": None, "wal_recovery": None, "headers": digest,
               "wal_content": digest, "taken_ns": 6}}
snapshot = {
    "id": repository, "original": repository, "time": "2026-11-22T23:45:01.250Z", "host": "h", "database": "/a.duckdb",
    "named": False, "tags": ["a"], "pinned": False, "head": digest,
    "file": {"root": digest, "levels": 2, "chunk_bytes": 262144, "bytes": 1000000},
    "wal": {"levels": 0, "chunk_bytes": 1048576, "bytes": 0}, "added_bytes": 10, "added_chunks": 1, "parent": "",
    "details": details}
seed("snapshot", "one", json.dumps(snapshot).encode())
seed("snapshot", "little", json.dumps(snapshot | {"details": details | {"source": None, "tables": None}}).encode())
seed("snapshot", "deep", json.dumps(snapshot | {"details": 0}).replace('"details": 0', '"details": {"a": ' + "[" * 5000 +
     "]" * 5000 + "}").encode())

config = {"id": repository, "created": "2026-11-22T23:45:01Z", "encryption": "none", "secret": digest}
key = {"repository": repository, "created": "2026-11-22T23:45:01.250Z", "host": "h", "user": "u", "kdf": "scrypt",
       "n": 131072, "r": 8, "p": 1, "salt": digest, "nonce": "11" * 12, "wrapped": "22" * 48}
seed("clear_document", "config", b"\0" + json.dumps(config).encode())
seed("clear_document", "encrypted", b"\0" + json.dumps(config | {"encryption": "aes-256-gcm"}).encode())
seed("clear_document", "key", b"\1" + json.dumps(key).encode())
seed("clear_document", "costly", b"\1" + json.dumps(key | {"n": 1 << 40}).encode())
seed("clear_document", "whole", b"\2duckback config 1\n{}\nblake3 " + digest.encode() + b"\n")

seed("sealed_document", "session", json.dumps({"what": "backup", "host": "h", "pid": 7, "began": "2026-11-22T23:45:01Z"}).encode())
seed("sealed_document", "ledger", json.dumps({"time": "2026-11-22T23:45:01.250Z", "host": "h", "packs": ["a" * 64]}).encode())
