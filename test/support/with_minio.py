#!/usr/bin/env python3
"""Runs a command as with_rgw.py does, with MinIO in Ceph's place, its objects in a folder of its own. `make test-minio`
builds it and runs the tests of buckets so.

  with_minio.py COMMAND…
"""

import os
import sys

from with_rgw import KEYS, Servers, main


class Minio(Servers):
    NAME, SERVER, PROGRAMS = "MinIO", "minio", ["minio"]
    MISSING = "make test-minio"
    MORE = {}

    def start_server(self):
        address, console = (f"127.0.0.1:{self.ports[name]}" for name in ("rgw", "mon1"))
        self.start("minio", "server", "--address", address, "--console-address", console, str(self.folder / "data"),
                   env={**os.environ, "MINIO_ROOT_USER": KEYS[0], "MINIO_ROOT_PASSWORD": KEYS[1]})
        self.wait_for(f"http://{address}/")


if __name__ == "__main__":
    sys.exit(main(Minio))
