#!/usr/bin/env python3
"""Runs what the documents tell people to type: every ```sh block of the files named below, line by line in bash,
in a fresh clone of this tree with a home and a database of its own; and every ```cron line as cron would.

  test/docs.py [FILE…]

`sh exit=15` says which exit status the last line of a block must have. `sh s3` and `cron s3` are of buckets: they are given
an empty one, `my-bucket`, and a profile `backup`, by a server of this machine (with_rgw.py); skipped where there is none.
`make test` is left out: it is what runs this.
Ends with `N passed, N failed, N skipped`, one case a block.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTS = ["README.md", "docs/guide.md", "docs/s3.md"]
WITH_SERVER = ROOT / "test/support/with_rgw.py"
BLOCK = re.compile(r"^```(sh|cron)( s3)?(?: exit=(\d+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def clone(folder):
    files = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           check=True, capture_output=True).stdout.decode().split("\0")
    for name in files:
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    if (ROOT / ".deps").exists():
        (folder / ".deps").symlink_to(ROOT / ".deps")


def make_database(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([ROOT / "build/release/test/support/duckdb_run", ROOT / "build/release/libduckdb.so", path,
                    f"CREATE TABLE orders AS SELECT i AS id, md5(i::VARCHAR) AS note FROM range({rows}) t(i)"],
                   check=True)


def make_encrypted_database(path, key_file):
    key = "correct horse battery"
    key_file.write_text(key + "\n")
    key_file.chmod(0o600)
    # DuckDB's own crypto writes only when forced to; good enough for a fixture.
    subprocess.run([ROOT / "build/release/test/support/duckdb_run", ROOT / "build/release/libduckdb.so", ":memory:",
                    f"SET force_mbedtls_unsafe = 'true'; ATTACH '{path}' AS secret (ENCRYPTION_KEY '{key}');"
                    "CREATE TABLE secret.t AS SELECT i FROM range(1000) t(i); DETACH secret"], check=True)


def count_made(home, has_server):
    listed = ask_bucket("GET") if has_server else ""
    return len(list(home.rglob("*.duckdb"))) + len(list(home.rglob("snapshots/*/*"))) + listed.count("/snapshots/")


def ask_bucket(method):
    """The answer to a request that is signed by curl."""
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    keys = f"{os.environ['AWS_ACCESS_KEY_ID']}:{os.environ['AWS_SECRET_ACCESS_KEY']}"
    return subprocess.run(["curl", "-sSf", "-X", method, "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", keys,
                           "-H", f"x-amz-content-sha256: {nothing}", f"{os.environ['DUCKBACK_TEST_S3']}/my-bucket"],
                          check=True, capture_output=True, text=True).stdout


def make_bucket(home):
    """For the blocks of buckets; the environment that stands for Amazon's."""
    ask_bucket("PUT")
    (home / ".aws").mkdir()
    (home / ".aws/credentials").write_text(f"[backup]\naws_access_key_id = {os.environ['AWS_ACCESS_KEY_ID']}\n"
                                           f"aws_secret_access_key = {os.environ['AWS_SECRET_ACCESS_KEY']}\n")
    return {"AWS_ENDPOINT_URL_S3": os.environ["DUCKBACK_TEST_S3"]}


def run_block(kind, text, folder, home, more):
    """The exit status and the output of a block."""
    environment = {"HOME": str(home), "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                   "TMPDIR": str(home), **more}
    # The clone names its own base folder, so that what was compiled here is found there.
    if "CCACHE_DIR" in os.environ:
        environment["CCACHE_DIR"] = os.environ["CCACHE_DIR"]
    environment.setdefault("CCACHE_DIR", str(pathlib.Path.home() / ".cache/ccache"))
    if kind == "cron":
        commands = [line.split(None, 5)[5] for line in text.strip().splitlines()]
        command = ["sh", "-c", " && ".join(f"({line})" for line in commands)]
        environment["PATH"] = "/usr/bin:/bin"
    else:
        environment["PATH"] = f"{home}/.local/bin:{folder}/build:" + environment["PATH"]
        command = ["bash", "-euc", text]
    done = subprocess.run(command, cwd=folder if kind == "sh" else home, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1800, check=False)
    return done.returncode, done.stdout


def main():
    has_server = "DUCKBACK_TEST_S3" in os.environ
    if not has_server:
        status = subprocess.run([WITH_SERVER, sys.executable, *sys.argv]).returncode
        if status != 77:
            return status
    documents = sys.argv[1:] or DOCUMENTS
    subprocess.run(["cmake", "--build", ROOT / "build/release", "--target", "duckdb_run"], check=True,
                   stdout=subprocess.DEVNULL)
    passed, failed, skipped = 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="duckback-docs-") as name:
        home = pathlib.Path(name, "home")
        folder = home / "duckback"
        folder.mkdir(parents=True)
        clone(folder)
        for place in (folder, home):
            make_database(place / "data" / "app.duckdb", 10_000)
        make_encrypted_database(folder / "data/secret.duckdb", folder / "data/secret.key")
        of_bucket = make_bucket(home) if has_server else {}
        for document in documents:
            text = (ROOT / document).read_text()
            for block in BLOCK.finditer(text):
                kind, status, body = block[1], int(block[3] or 0), block[4]
                if body.strip() == "make test":
                    continue
                if block[2] and not has_server:
                    skipped += 1
                    continue
                line = text.count("\n", 0, block.start()) + 1
                before = count_made(home, has_server)
                got, output = run_block(kind, body, folder, home, of_bucket if block[2] else {})
                if kind == "cron" and count_made(home, has_server) == before:
                    got, output = "without a new copy or snapshot", ""
                if got == status:
                    passed += 1
                    print(f"ok      {document}:{line}: {body.strip().splitlines()[0]}")
                else:
                    failed += 1
                    print(f"FAILED  {document}:{line}: exit {got}, not {status}\n{body}{output[-3000:]}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
