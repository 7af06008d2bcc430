#!/usr/bin/env python3
"""A layer includes only itself and those below it; third-party headers stay in .cc files.

ARCHITECTURE.md has the same table in words. Fails with file:line.
"""

import pathlib
import re
import sys

BELOW = {
    "base": set(),
    "io": {"base"},
    "duckfile": {"base", "io"},
    "capture": {"base", "io", "duckfile"},
    "duckdb": {"base", "io"},
    "store": {"base", "io"},
    "repo": {"base", "io", "store"},
    "ops": {"base", "io", "duckfile", "capture", "duckdb", "store", "repo"},
    "cli": {"base", "io", "duckfile", "capture", "duckdb", "store", "repo", "ops"},
}
# fmt is what an Error is made with, json_fwd.hpp only declares; all else is an implementation's business.
IN_HEADERS = {"fmt/format.h", "nlohmann/json_fwd.hpp"}
# Tests may use the test support on top.
IN_TESTS = {"gtest", "gmock", "test"}


def is_third_party(include, root):
    if "/" not in include:
        # <vector>, <unistd.h> are the system's; a library's flat header is not.
        return include in {"blake3.h", "zstd.h", "xxhash.h", "sqlite3.h"}
    top = include.split("/")[0]
    return top not in {"sys", "linux", "asm", "netinet", "arpa", "bits"} and not (root / "src" / top).is_dir()


def findings(root):
    source = root / "src"
    for path in sorted(source.rglob("*.cc")) + sorted(source.rglob("*.h")):
        layer = path.relative_to(source).parts[0]
        where = path.relative_to(root)
        if layer not in BELOW:
            yield f"{where}:1: '{layer}' is not a layer (tools/check_layers.py has the list)"
            continue
        is_test = path.stem.endswith("_test")
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            include = match[2]
            top = include.split("/")[0]
            if match[1] == '"':
                if is_test and top in IN_TESTS:
                    continue
                if not (source / include).is_file():
                    yield f'{where}:{number}: "{include}" is no file below src/'
                elif top != layer and top not in BELOW[layer]:
                    yield f"{where}:{number}: {layer} must not include {top}"
                elif include.endswith(".cc"):
                    yield f"{where}:{number}: includes a source file"
            elif is_third_party(include, root) and path.suffix == ".h" and include not in IN_HEADERS:
                yield f"{where}:{number}: <{include}> belongs into the .cc file"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = list(findings(root))
    print("\n".join(found) or "the layers hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
