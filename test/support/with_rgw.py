#!/usr/bin/env python3
"""Runs a command with a throw-away S3 server: Ceph's RADOS Gateway on loopback, its objects in memory.

  with_rgw.py [--gibibytes 4] COMMAND…

The exit status is the command's; 77, with the reason, where Ceph is not installed. No more than --gibibytes can be stored.

The command finds in its environment
  DUCKBACK_TEST_S3          the server's endpoint
  DUCKBACK_TEST_S3_FAULTS   the same behind fault_proxy.py, and
  DUCKBACK_TEST_S3_CONTROL  what tells that proxy what to do
  DUCKBACK_TEST_S3_TLS      the same by https, and AWS_CA_BUNDLE that trusts it
  AWS_ACCESS_KEY_ID, …      keys of a user, who may also give policies; no other setting of AWS
  DUCKBACK_TEST_S3_OTHER    KEY:SECRET of the user `other`, who may do nothing in others' buckets without a policy
  DUCKBACK_TEST_S3_SERVER   "ceph"; with_minio.py has another one, and no `other`

Servers are children of this process and end with it, even if it is killed. Two can run at once.
"""

import argparse
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PROGRAMS = ["ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool", "monmaptool"]
PACKAGES = "radosgw ceph-mon ceph-osd ceph-mgr ceph-common"
KEYS = ("AKTEST", "SKTEST-SKTEST")
OTHER_KEYS = ("AKOTHER", "SKOTHER")
PROXY = pathlib.Path(__file__).with_name("fault_proxy.py")

CONFIG = """
[global]
fsid = 2c1b7d2e-5f0a-4f1e-9a44-6d7556f27e01
mon host = [v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]
public addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail warn = 2
mon data avail crit = 1
auth allow insecure global id reclaim = false
osd objectstore = memstore
memstore device bytes = {memory}
run dir = {folder}/run
admin socket = {folder}/run/$cluster-$name.$pid.asok
pid file = {folder}/run/$name.pid
log file = {folder}/log/$name.log
keyring = {folder}/keyring
mon data = {folder}/mon
osd data = {folder}/osd
mgr data = {folder}/mgr
osd class load list = *
osd class default list = *
mgr initial modules =
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{rgw} tcp_nodelay=1
rgw dns name = localhost
rgw thread pool size = 32
rgw enable usage log = false
rgw gc obj min wait = 1
rgw gc processor period = 1
"""


def say(text):
    print(f"with_rgw: {text}", flush=True)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Servers:
    """Ceph, and the proxy in front of it."""
    NAME, SERVER, PROGRAMS = "RADOS Gateway", "ceph", PROGRAMS
    MISSING = f"apt-get install --no-install-recommends {PACKAGES}"
    MORE = {"DUCKBACK_TEST_S3_OTHER": ":".join(OTHER_KEYS)}

    def __init__(self, folder, gibibytes):
        self.folder, self.memory = folder, gibibytes << 30
        self.children = []
        mon1, mon2, rgw, faults, control, tls = free_ports(6)
        self.ports = {"mon1": mon1, "mon2": mon2, "rgw": rgw, "faults": faults, "control": control, "tls": tls}

    def run(self, *command, timeout=60):
        subprocess.run(command, cwd=self.folder, check=True, timeout=timeout, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=open(self.folder / "log/setup.log", "ab"))

    def start(self, *command, **options):
        child = subprocess.Popen(command, cwd=self.folder, preexec_fn=end_with_parent,
                                 **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
                                    "stderr": open(self.folder / "log/setup.log", "ab"), **options})
        self.children.append(child)
        return child

    def add_key(self, name, **caps):
        command = ["ceph-authtool", "keyring", "--gen-key", "-n", name]
        for service, allowed in caps.items():
            command += ["--cap", service, allowed]
        self.run(*command)

    def add_user(self, conf, name, keys, *more):
        self.run("radosgw-admin", *conf, "-n", "client.rgw.a", "user", "create", f"--uid={name}", f"--display-name={name}",
                 f"--access-key={keys[0]}", f"--secret-key={keys[1]}", *more, timeout=120)

    def start_server(self):
        for name in ("run", "mon", "osd", "mgr"):
            (self.folder / name).mkdir()
        (self.folder / "ceph.conf").write_text(CONFIG.format(folder=self.folder, memory=self.memory, **self.ports))
        conf = ["-c", str(self.folder / "ceph.conf")]
        self.run("ceph-authtool", "--create-keyring", "keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self.add_key("client.admin", mon="allow *", osd="allow *", mgr="allow *")
        self.add_key("mgr.x", mon="allow profile mgr", osd="allow *")
        self.add_key("client.rgw.a", mon="allow *", osd="allow *", mgr="allow *")
        self.add_key("osd.0", mon="allow profile osd", osd="allow *", mgr="allow profile osd")
        address = f"[v2:127.0.0.1:{self.ports['mon2']},v1:127.0.0.1:{self.ports['mon1']}]"
        self.run("monmaptool", "--create", "--addv", "a", address, "--fsid",
                 "2c1b7d2e-5f0a-4f1e-9a44-6d7556f27e01", "monmap")
        self.run("ceph-mon", *conf, "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")
        self.start("ceph-mon", *conf, "-f", "-i", "a")
        osd = "7e6a3e0e-8a53-4c3c-8d3c-0a2f6f3b8c11"
        self.run("ceph", *conf, "--connect-timeout", "30", "osd", "new", osd)
        self.run("ceph", *conf, "auth", "import", "-i", "keyring")
        self.start("ceph-mgr", *conf, "-f", "-i", "x")
        self.run("ceph-osd", *conf, "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.start("ceph-osd", *conf, "-f", "-i", "0")
        self.add_user(conf, "test", KEYS, "--caps=user-policy=*")
        self.add_user(conf, "other", OTHER_KEYS)
        self.start("radosgw", *conf, "-f", "-n", "client.rgw.a")
        self.wait_for(f"http://127.0.0.1:{self.ports['rgw']}/")

    def wait_for(self, url):
        deadline = time.monotonic() + 60
        while True:
            try:
                return urllib.request.urlopen(url, timeout=2).close()
            except urllib.error.HTTPError:
                return None  # It answers.
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def start_proxy(self):
        self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                 "-keyout", "key.pem", "-out", "ca.pem")
        (self.folder / "both.pem").write_text((self.folder / "key.pem").read_text() + (self.folder / "ca.pem").read_text())
        ports = [str(self.ports[name]) for name in ("rgw", "faults", "control", "tls")]
        proxy = self.start(sys.executable, str(PROXY), *ports, "both.pem", stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=None)
        if proxy.stdout.readline() != b"ready\n":
            raise RuntimeError("fault_proxy.py does not start")

    def environment(self):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("AWS_") and name.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
        return {**kept,
                "DUCKBACK_TEST_S3": f"http://127.0.0.1:{self.ports['rgw']}",
                "DUCKBACK_TEST_S3_FAULTS": f"http://127.0.0.1:{self.ports['faults']}",
                "DUCKBACK_TEST_S3_CONTROL": f"http://127.0.0.1:{self.ports['control']}",
                "DUCKBACK_TEST_S3_TLS": f"https://127.0.0.1:{self.ports['tls']}",
                "DUCKBACK_TEST_S3_SERVER": self.SERVER, **self.MORE,
                "AWS_CA_BUNDLE": str(self.folder / "ca.pem"),
                "AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1],
                "AWS_CONFIG_FILE": str(self.folder / "none"),
                "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "none"),
                "AWS_EC2_METADATA_DISABLED": "true"}

    def end(self):
        for child in reversed(self.children):
            child.kill()  # What they hold is not wanted.
            child.wait()


def main(kind=Servers):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gibibytes", type=int, default=4)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    missing = [program for program in kind.PROGRAMS if shutil.which(program) is None]
    if missing:
        print(f"skipped: no {missing[0]} here; {kind.MISSING}")
        return 77
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="duckback-s3-"))
    (folder / "log").mkdir()
    servers = kind(folder, args.gibibytes)
    try:
        began = time.monotonic()
        try:
            servers.start_server()
            servers.start_proxy()
        except (subprocess.SubprocessError, OSError, RuntimeError) as problem:
            say(f"the server does not start: {problem}")
            sys.stdout.write((folder / "log/setup.log").read_text(errors="replace")[-4000:])
            return 1
        say(f"{kind.NAME} answers after {time.monotonic() - began:.1f} s")
        command = subprocess.Popen(args.command, env=servers.environment(), preexec_fn=end_with_parent)
        servers.children.append(command)
        status = command.wait()
        return status if status >= 0 else 128 - status
    finally:
        servers.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
