#!/usr/bin/env python3
"""An HTTP proxy in front of an S3 server that fails on purpose. Loopback only; ends with its starter.

  fault_proxy.py UPSTREAM_PORT PORT CONTROL_PORT [TLS_PORT CERTIFICATE]

PUT http://127.0.0.1:CONTROL_PORT/ with a JSON object says what happens from then on, {} nothing:
  faults  names of FAULTS, taken in turn
  every   every n-th request that matches (default 1)
  match   a regular expression found in "METHOD /target" or a header line (default: any)
  times   how often at most (default: always)
GET there answers with how often each fault happened since the last PUT; "fell_silent": and the server has done it.
"""

import email.utils
import http.client
import json
import re
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time

LATE_S = 2
CLOCK_AHEAD_S = 600  # of the clock that `skewed` pretends; an S3 server still takes signatures by it


class Rules:
    def __init__(self):
        self.lock = threading.Lock()
        self.set({})

    def set(self, rules):
        with self.lock:
            self.faults = rules.get("faults", [])
            self.every = rules.get("every", 1)
            self.match = re.compile(rules.get("match", ""))
            self.times = rules.get("times", -1)
            self.seen = self.done = 0
            self.counts = {}

    def choose(self, request):
        text = "\n".join([f"{request.method} {request.target}"] + request.lines)
        with self.lock:
            if not self.faults or not self.match.search(text):
                return None
            self.seen += 1
            if self.seen % self.every != 0 or self.done == self.times:
                return None
            fault = self.faults[self.done % len(self.faults)]
            self.done += 1
            self.counts[fault] = self.counts.get(fault, 0) + 1
            return fault

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1


class Request:
    """What a client sent, its body not read yet."""

    def __init__(self, file, first):
        self.method, self.target, _ = first.decode("latin-1").split(" ", 2)
        self.lines = []
        while (line := file.readline(65536)) not in (b"\r\n", b"\n", b""):
            self.lines.append(line.decode("latin-1").rstrip("\r\n"))
        self.body = b""

    def header(self, name):
        for line in self.lines:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""

    def length(self):
        return int(self.header("content-length") or 0)


class Answer:
    def __init__(self, status, reason, headers, body, length=None):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body
        self.length = len(body) if length is None else length

    def head(self):
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines.append(f"Content-Length: {self.length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def error(status, code, headers=()):
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>on purpose</Message></Error>"
    return Answer(status, "Fault", [("Content-Type", "application/xml"), *headers], body.encode())


class Closed(Exception):
    pass


class Handler(socketserver.StreamRequestHandler):
    upstream_port = 0
    rules = None

    def handle(self):
        try:
            while first := self.rfile.readline(65536):
                self.exchange(Request(self.rfile, first))
        except (Closed, ConnectionError, ssl.SSLError, TimeoutError):
            pass

    def exchange(self, request):
        fault = self.rules.choose(request)
        if fault == "reset_before":
            self.reset()
        if request.header("expect"):
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault == "reset_mid_request":
            self.rfile.read(request.length() // 2)
            self.reset()
        request.body = self.rfile.read(request.length())
        FAULTS.get(fault, Handler.pass_on)(self, request)

    def pass_on(self, request):
        self.reply(request, self.forward(request))

    def forward(self, request):
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=60)
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for line in request.lines:
            name, _, value = line.partition(":")
            if name.lower() not in ("expect", "connection"):
                connection.putheader(name, value.strip())
        connection.endheaders(request.body)
        got = connection.getresponse()
        body = got.read()
        headers = [(n, v) for n, v in got.getheaders()
                   if n.lower() not in ("content-length", "transfer-encoding", "connection")]
        length = int(got.getheader("content-length") or 0) if request.method == "HEAD" else None
        connection.close()
        return Answer(got.status, got.reason, headers, body, length)

    def reply(self, request, answer):
        self.wfile.write(answer.head())
        if request.method != "HEAD":
            self.wfile.write(answer.body)

    def reset(self):
        raw = self.connection
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
        raise Closed

    def reset_before_answer(self, request):
        self.reset()

    def lost_answer(self, request):
        self.forward(request)
        self.reset()

    def lost_error(self, request):
        self.forward(request)
        self.reply(request, error(500, "InternalError"))

    def reset_mid_answer(self, request):
        answer = self.forward(request)
        self.wfile.write((answer.head() + answer.body)[:len(answer.head()) + len(answer.body) // 2 - 1])
        self.wfile.flush()
        self.reset()

    def truncated(self, request):
        answer = self.forward(request)
        whole = answer.head() + answer.body
        self.wfile.write(whole[:-1 - len(answer.body) // 2])
        raise Closed

    def unbounded(self, request):
        """An answer without a length, cut off: its end looks like any other."""
        answer = self.forward(request)
        head = re.sub(rb"Content-Length: \d+\r\n", b"Connection: close\r\n", answer.head())
        self.wfile.write(head + answer.body[:len(answer.body) // 2])
        raise Closed

    def slow(self, request):
        whole = self.forward(request)
        bytes_ = whole.head() + (b"" if request.method == "HEAD" else whole.body)
        step = len(bytes_) // 5 + 1
        for at in range(0, len(bytes_), step):
            self.wfile.write(bytes_[at:at + step])
            self.wfile.flush()
            time.sleep(0.01)

    def late(self, request):
        answer = self.forward(request)
        time.sleep(LATE_S)
        self.reply(request, answer)

    def silent(self, request):
        self.forward(request)
        self.rules.count("fell_silent")
        self.rfile.read(1)  # until the client gives up
        raise Closed

    def skewed(self, request):
        now = time.time() + CLOCK_AHEAD_S
        date = request.header("x-amz-date")
        signed = time.mktime(time.strptime(date, "%Y%m%dT%H%M%SZ")) - time.timezone if date else 0
        if abs(signed - now) < 60:
            return self.pass_on(request)
        stamp = ("Date", email.utils.formatdate(now, usegmt=True))
        self.reply(request, error(403, "RequestTimeTooSkewed", [stamp]))

    def incomplete(self, request):
        """What S3 does when an upload cannot be completed after all: 200, and an error in it."""
        if request.method != "POST" or "uploadId=" not in request.target:
            return self.pass_on(request)
        answer = error(500, "InternalError")
        answer.status, answer.reason = 200, "OK"
        self.reply(request, answer)

    def corrupted(self, request):
        if request.body:
            request.body = bytes([request.body[0] ^ 1]) + request.body[1:]
        self.pass_on(request)

    def stripped(self, request):
        request.lines = [line for line in request.lines if not line.lower().startswith("if-none-match")]
        self.pass_on(request)

    def refuses(status, code):
        return lambda self, request: self.reply(request, error(status, code))

    FAULTS = {
        "none": pass_on,  # only counted
        "reset_before": None, "reset_mid_request": None,  # before the body was read
        "reset_before_answer": reset_before_answer, "lost_answer": lost_answer, "lost_error": lost_error,
        "reset_mid_answer": reset_mid_answer, "truncated": truncated, "unbounded": unbounded, "slow": slow,
        "silent": silent, "late": late, "skewed": skewed, "incomplete": incomplete, "corrupted": corrupted, "stripped": stripped,
        "error_500": refuses(500, "InternalError"), "error_503": refuses(503, "ServiceUnavailable"),
        "slow_down": refuses(503, "SlowDown"), "error_429": refuses(429, "TooManyRequests"),
        "request_timeout": refuses(400, "RequestTimeout"), "expired_token": refuses(400, "ExpiredToken"),
        "not_implemented": refuses(501, "NotImplemented"), "busy": refuses(409, "ConditionalRequestConflict"),
    }


FAULTS = Handler.FAULTS


class Control(socketserver.StreamRequestHandler):
    rules = None

    def handle(self):
        request = Request(self.rfile, self.rfile.readline(65536))
        if request.method == "PUT":
            wanted = json.loads(self.rfile.read(request.length()))
            unknown = set(wanted.get("faults", [])) - set(FAULTS)
            if unknown:
                return self.wfile.write(b"HTTP/1.1 400 Unknown\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.rules.set(wanted)
        body = json.dumps(self.rules.counts).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode() + body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class TlsServer(Server):
    context = None

    def finish_request(self, request, client_address):
        request.settimeout(60)
        super().finish_request(self.context.wrap_socket(request, server_side=True), client_address)


def main():
    Handler.upstream_port, port, control_port = map(int, sys.argv[1:4])
    Handler.rules = Control.rules = Rules()
    servers = [Server(("127.0.0.1", port), Handler), Server(("127.0.0.1", control_port), Control)]
    if len(sys.argv) > 4:
        TlsServer.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        TlsServer.context.load_cert_chain(sys.argv[5])
        servers.append(TlsServer(("127.0.0.1", int(sys.argv[4])), Handler))
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()  # its starter holds the other end


if __name__ == "__main__":
    main()
