#!/usr/bin/env python3
"""Runs duckback with the repositories of a script in a bucket; the script sees them as folders.

  in_bucket.py ARGUMENT…     as duckback takes them; exit status: duckback's

A folder below $DUCKBACK_TEST_MIRROR that is named as a repository (by --repo, by $DUCKBACK_REPO, to `init`, or as an
argument that is one) stands for s3://$DUCKBACK_TEST_BUCKET/NAME-OF-THE-MIRROR/FOLDER: what the script changed in it is
changed in the bucket first, then duckback gets the address, then the folder shows what is in the bucket. Not for several
at once.
"""

import datetime
import hashlib
import hmac
import http.client
import os
import pathlib
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as xml


class Bucket:
    def __init__(self, name):
        self.name = name
        self.host = os.environ["DUCKBACK_TEST_S3"].removeprefix("http://")
        self.connection = http.client.HTTPConnection(self.host)

    def request(self, method, key="", query=(), body=b""):
        now = datetime.datetime.now(datetime.timezone.utc)
        day, time = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
        path = "/" + self.name + ("/" + urllib.parse.quote(key) if key else "")
        encoded = "&".join(f"{name}={urllib.parse.quote(value, safe='')}" for name, value in sorted(query))
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": self.host, "x-amz-content-sha256": digest, "x-amz-date": time}
        signed = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = "\n".join([method, path, encoded, lines, signed, digest])
        scope = f"{day}/us-east-1/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        secret = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
        for part in [*scope.split("/"), text]:
            secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope},"
                                    f"SignedHeaders={signed},Signature={secret.hex()}")
        self.connection.request(method, path + ("?" + encoded if encoded else ""), body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        is_mine = b"BucketAlreadyOwnedByYou" in content
        if answer.status >= 300 and not is_mine:
            sys.exit(f"in_bucket: {method} {path}: {answer.status} {content.decode(errors='replace')}")
        return content

    def list(self, prefix):
        """{key behind the prefix: (MD5, time)}"""
        found, more = {}, [("list-type", "2"), ("prefix", prefix)]
        while more:
            page = xml.fromstring(self.request("GET", query=more))
            space = page.tag.removesuffix("ListBucketResult")
            for each in page.iter(space + "Contents"):
                time = datetime.datetime.fromisoformat(each.findtext(space + "LastModified").replace("Z", "+00:00"))
                key = each.findtext(space + "Key").removeprefix(prefix)
                found[key] = (each.findtext(space + "ETag").strip('"'), time.timestamp())
            token = page.findtext(space + "NextContinuationToken")
            more = token and [("list-type", "2"), ("prefix", prefix), ("continuation-token", token)]
        return found


class Repository:
    def __init__(self, bucket, mirror, folder):
        self.bucket, self.folder = bucket, folder
        self.prefix = f"{mirror.name}/{folder.relative_to(mirror)}/"

    def address(self):
        return f"s3://{self.bucket.name}/{self.prefix.removesuffix('/')}"

    def files(self):
        return {str(path.relative_to(self.folder)): hashlib.md5(path.read_bytes()).hexdigest()
                for path in self.folder.rglob("*") if path.is_file()}

    def push(self):
        there, here = self.bucket.list(self.prefix), self.files()
        for key in there.keys() - here.keys():
            self.bucket.request("DELETE", self.prefix + key)
        for key, digest in here.items():
            if key not in there or there[key][0] != digest:
                self.bucket.request("PUT", self.prefix + key, body=(self.folder / key).read_bytes())

    def pull(self):
        there, here = self.bucket.list(self.prefix), self.files()
        for key in here.keys() - there.keys():
            (self.folder / key).unlink()
        for key, (digest, time) in there.items():
            file = self.folder / key
            if here.get(key) != digest:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(self.bucket.request("GET", self.prefix + key))
            os.utime(file, (time, time))


def main():
    bucket = Bucket(os.environ["DUCKBACK_TEST_BUCKET"])
    mirror = pathlib.Path(os.environ["DUCKBACK_TEST_MIRROR"])
    named = {}

    def address_of(name):
        folder = pathlib.Path(os.path.abspath(name))
        if not folder.is_relative_to(mirror):
            return name
        named[folder] = Repository(bucket, mirror, folder)
        return named[folder].address()

    arguments, before = [], ""
    if "init" in sys.argv:
        bucket.request("PUT")
    for argument in sys.argv[1:]:
        is_one = argument and any(os.path.exists(os.path.join(argument, name)) for name in ("config", "config-copy"))
        is_made = before == "init" and not argument.startswith("-")
        arguments.append(address_of(argument) if is_one or is_made or before == "--repo" else argument)
        if argument != "--json":
            before = argument
    environment = dict(os.environ)
    if environment.get("DUCKBACK_REPO"):
        environment["DUCKBACK_REPO"] = address_of(environment["DUCKBACK_REPO"])
    for repository in named.values():
        repository.push()
    status = subprocess.run([os.environ["DUCKBACK_BIN"] + "/duckback", *arguments], env=environment).returncode
    for repository in named.values():
        repository.pull()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
