"""Four ways to take an image of a database that is being written, and the judge of an image."""

import dataclasses
import json
import os
import shutil
import subprocess
import time

KEY = "torture, not secret"
WALS = [".wal", ".wal.checkpoint", ".wal.recovery"]


@dataclasses.dataclass
class Image:
    method: str
    outcome: str  # "taken", "refused" (no consistent image), "error"; judged: "good", "bad"
    path: str = ""
    seconds: float = 0.0
    grade: str = ""
    detail: str = ""
    rounds: int = 0
    checkpoints_seen: int = 0
    acknowledged: str = ""
    snapshot: str = ""


def take(method, writer, cell, tools, destination):
    """An image of the writer's database at `destination`; never throws for what the method does."""
    began_ns = time.monotonic_ns()
    take_one = {"duckback": take_duckback, "backup": take_backup, "cp": take_cp, "stopped": take_stopped}[method]
    image = take_one(writer, cell, tools, destination)
    image.path = destination
    image.acknowledged = writer.acknowledged_before(began_ns)
    if not image.seconds:
        image.seconds = (time.monotonic_ns() - began_ns) / 1e9
    return image


def take_duckback(writer, cell, tools, destination):
    command = [tools.duckback, "copy", writer.path, destination]
    command += ["--keep-wal", "--verify", "none", "--no-clobber", "--json"]
    return run_capture("duckback", command, cell, tools, destination)


def take_backup(writer, cell, tools, destination):
    """A snapshot in a repository beside the database, compared with the one before, and restored."""
    repository = os.path.join(os.path.dirname(writer.path), "repository")
    if not os.path.exists(repository):
        subprocess.run([tools.duckback, "init", repository, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    command = [tools.duckback, "backup", writer.path, "--repo", repository, "--json"]
    image = run_capture("backup", command, cell, tools, destination)
    if image.outcome != "taken":
        return image
    restore = [tools.duckback, "restore", image.snapshot, "--repo", repository, "--to", destination, "--quiet"]
    done = subprocess.run(restore, capture_output=True, text=True)
    if done.returncode != 0:
        return Image("backup", "error", detail="restore: exit %d: %s" % (done.returncode, done.stderr.strip()))
    return image


def run_capture(method, command, cell, tools, destination):
    command = command + ["--timeout", str(tools.timeout)]
    if cell.encrypted and not cell.key_unknown:
        key_file = destination + ".key"
        with open(key_file, "w") as file:
            file.write(KEY)
        command += ["--key-file", key_file]
    environment = dict(os.environ, **tools.environment, **cell.reader_environment)
    if cell.reader_environment:
        environment["LD_PRELOAD"] = tools.slowsync
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=tools.timeout + 60
        )
    except subprocess.TimeoutExpired:
        return Image(method, "error", detail="did not end in time")
    if done.returncode == 15:
        return Image(method, "refused", detail=done.stderr.strip())
    if done.returncode != 0:
        return Image(method, "error", detail="exit %d: %s" % (done.returncode, done.stderr.strip()))
    try:
        said = json.loads(done.stdout)
        return Image(
            method,
            "taken",
            seconds=said.get("capture_seconds", said["seconds"]),
            grade=said["certification"],
            rounds=said.get("rounds", 0),
            checkpoints_seen=said.get("checkpoints_seen", 0),
            snapshot=said.get("id", ""),
        )
    except (ValueError, KeyError) as error:
        return Image(method, "error", detail="no JSON as promised (%s): %s" % (error, done.stdout))


def take_cp(writer, cell, tools, destination):
    for suffix in ["", ".wal"]:
        # The WAL may not be there, or go away.
        subprocess.run(["cp", writer.path + suffix, destination + suffix], capture_output=True)
    return Image("cp", "taken")


def take_stopped(writer, cell, tools, destination):
    """All files of a stopped writer: the state that a crash would leave."""
    writer.pause()
    try:
        for suffix in ["", *WALS]:
            if os.path.exists(writer.path + suffix):
                shutil.copyfile(writer.path + suffix, destination + suffix)
    finally:
        writer.resume()
    return Image("stopped", "taken")


def remove(path):
    for suffix in ["", *WALS, ".key", ".duckback.json"]:
        if os.path.exists(path + suffix):
            os.remove(path + suffix)


def check(image, cell, tools, settle, keep_bad):
    """Judges a taken image and removes it; a bad one is kept as it was in the folder `keep_bad`."""
    scratch = image.path
    if keep_bad:
        scratch = image.path + ".scratch"
        for suffix in ["", *WALS]:
            if os.path.exists(image.path + suffix):
                shutil.copyfile(image.path + suffix, scratch + suffix)
    command = [tools.program, "check", "--library", cell.library, "--db", scratch]
    command += ["--load", cell.load["name"], "--acknowledged", image.acknowledged]
    command += ["--settle"] * settle + ["--encrypted"] * cell.encrypted
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if done.returncode < 0:
            image.outcome, image.detail = "bad", "crashed: DuckDB died of signal %d" % -done.returncode
        elif done.returncode != 0:
            image.outcome, image.detail = "bad", "crashed: %s" % done.stderr.strip()
        else:
            said = json.loads(done.stdout)
            # DuckDB appends a stack trace to its internal errors.
            image.outcome, image.detail = said["verdict"], said["reason"].split("\n\n")[0]
    except subprocess.TimeoutExpired:
        image.outcome, image.detail = "bad", "hung: DuckDB did not end in 10 minutes"
    if keep_bad:
        remove(scratch)
        if image.outcome == "bad":
            os.makedirs(keep_bad, exist_ok=True)
            name = "%s-%s-%s-%d" % (cell.version, cell.name, image.method, time.monotonic_ns())
            for suffix in ["", *WALS]:
                if os.path.exists(image.path + suffix):
                    shutil.move(image.path + suffix, os.path.join(keep_bad, name + suffix))
            with open(os.path.join(keep_bad, name + ".txt"), "w") as file:
                file.write("%s\n%s\n" % (image.acknowledged, image.detail))
    remove(image.path)
    return image
