#!/usr/bin/env python3
"""What must not be in the tree, and what to write instead. Fails with file:line."""

import pathlib
import re
import subprocess
import sys

CODE = {".cc", ".h"}
SCRIPTS = {".sh", ".py", ".txt", ".cmake", ".md", ".yml", ""}

# (pattern, what to do instead, suffixes, path prefixes where it is allowed)
BANNED = [
    (r"catch \(\.\.\.\)", "catch the type you can act on; only the edges of a process and a thread catch all",
     CODE, ["src/base/task_group.cc", "src/cli/run.cc", "src/cli/backup_duckdb_main.cc", "src/cli/duckback_main.cc",
            "src/duckdb/worker_child.cc", "test/fuzz/"]),
    (r"\bcatch \(const std::exception&", "catch Error, or what the standard library call throws",
     CODE, ["src/cli/", "src/duckdb/", "src/base/task_group.cc", "test/"]),
    (r"\bstd::system\(|\bsystem\(|\bpopen\(", "start a program with an argument list (posix_spawn, execv)", CODE, []),
    (r"\bsleep_for\(|\busleep\(|[^\w.]sleep\(", "wait for the event, with a deadline", {"_test.cc"}, []),
    (r"\bDISABLED_", "mend the test or remove it", CODE, []),
    (r"\bGTEST_SKIP\(\)\s*;", "say why: GTEST_SKIP() << reason", CODE, []),
    (r"\b(strcpy|strcat|sprintf|gets|strtok|rand|tmpnam|mktemp)\(", "use the C++ or bounded form", CODE, []),
    (r"\bassert\(|<cassert>", "DUCKBACK_ASSERT: it stays on in release", CODE, []),
    (r"\b__FILE__\b", "test/support/source_tree.h: ccache makes __FILE__ relative", CODE,
     ["src/base/error.h", "test/support/source_tree.h"]),
    (r"\breinterpret_cast<[^>]*(header|entry|frame)", "parse with base/byte_reader", CODE, []),
    (r"\bstd::(cout|cerr)\b|\bprintf\(", "only src/cli and programs of their own talk to a terminal",
     {".h", ".cc"}, ["src/cli/", "src/duckdb/worker_child.cc", "test/", "bench/", "tools/"]),
    (r"\b(FIXME|XXX)\b", "do it, or open an issue", CODE | SCRIPTS, ["tools/tidy.py"]),
    (r"\bTODO\b(?!.*\b(when|once|if|until)\b)", "name the condition under which it matters", CODE | SCRIPTS,
     ["tools/tidy.py"]),
    (r"(?<![\w.$}/])/(work|home/\w+|root|tmp/scratch)/", "no path of one machine", CODE | SCRIPTS,
     ["tools/tidy.py"]),
    (r"\t", "spaces", CODE | {".py", ".sh"}, []),
    (r"[ \t]+$", "no blanks at the end of a line", CODE | SCRIPTS, []),
]
LARGEST_BYTES = 1 << 20


def tracked_files(root):
    listing = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             check=True, capture_output=True)
    return [root / name for name in listing.stdout.decode().split("\0") if name and (root / name).is_file()]


def applies(path, suffixes):
    return path.suffix in suffixes or any(path.name.endswith(s) for s in suffixes if s.startswith("_"))


def content_findings(root, path):
    name = str(path.relative_to(root))
    if path.stat().st_size > LARGEST_BYTES:
        yield f"{name}:1: larger than 1 MiB: make it in the test instead"
        return
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return  # a binary fixture
    for pattern, instead, suffixes, allowed in BANNED:
        if not applies(path, suffixes) or any(name.startswith(prefix) for prefix in allowed):
            continue
        for match in re.finditer(pattern, text, re.MULTILINE):
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: '{match[0].strip() or 'blank'}': {instead}"
    if path.suffix == ".h" and "#pragma once" not in text:
        yield f"{name}:1: no #pragma once"
    # A seed is what a parser gets, to the byte.
    if text and not text.endswith("\n") and not name.startswith("test/fuzz/corpus/"):
        yield f"{name}:{text.count(chr(10)) + 1}: no newline at the end"


def build_findings(root, files):
    """Every test is one that runs: CMake globs src/**/*_test.cc and test/cli/*.sh, and names the rest."""
    cmake = "".join(path.read_text() for path in files if path.name == "CMakeLists.txt")
    for path in files:
        name = str(path.relative_to(root))
        if path.name.endswith(("_test.cc", "_test.py", "_test.sh")):
            globbed = name.startswith("src/") and path.suffix == ".cc"
            if not globbed and path.name not in cmake:
                yield f"{name}:1: a test outside the build is not a test"
        if name.startswith("src/") and path.suffix == ".cc" and len(path.relative_to(root).parts) != 3:
            yield f"{name}:1: CMake builds src/LAYER/*.cc only"
        if path.suffix == ".sh" and not path.stat().st_mode & 0o100 and path.read_bytes().startswith(b"#!"):
            yield f"{name}:1: has a #! line and is not executable"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    files = tracked_files(root)
    found = [finding for path in files for finding in content_findings(root, path)]
    found += build_findings(root, files)
    print("\n".join(found) or f"{len(files)} files are tidy")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
