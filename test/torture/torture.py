#!/usr/bin/env python3
"""The capture torture: real DuckDB writers, images taken of their databases while they write, each
image opened by DuckDB and judged by the invariants of the load. `cp` and a stopped writer (SIGSTOP,
copy of all files, SIGCONT: what a crash would leave) are the controls."""

import argparse
import concurrent.futures
import dataclasses
import json
import math
import os
import random
import shutil
import sys
import tempfile
import threading
import time

import image as images
import plan
from writer import Writer, WriterFailed

METHODS = ["duckback", "backup", "cp", "stopped"]
OURS = ["duckback", "backup"]
# A writer starts afresh after so long, so that files stay small.
WRITER_SECONDS = 90


@dataclasses.dataclass
class Tools:
    program: str
    slowsync: str
    duckback: str
    timeout: float
    environment: dict = dataclasses.field(default_factory=dict)


def find_tools(options):
    folders = [options.build] if options.build else ["build/release", "build/dev", "build"]
    for folder in folders:
        folder = os.path.join(plan.ROOT, folder)
        program = os.path.join(folder, "test/torture/torture_database")
        if os.path.exists(program):
            break
    else:
        raise SystemExit("torture_database is not built; run: cmake --build build/dev")
    duckback = options.duckback or os.path.join(folder, "duckback")
    slowsync = os.path.join(os.path.dirname(program), "slowsync.so")
    return Tools(program, slowsync, duckback, options.timeout)


class CellRun:
    """Takes and judges the images of one cell."""

    def __init__(self, cell, options, tools, seed, checkers, say):
        self.cell, self.options, self.tools, self.say = cell, options, tools, say
        self.random = random.Random(seed)
        self.images = []
        self.writer_failures = []
        self.checkpoints = 0
        self.commits = 0
        self._checkers = checkers
        # Images that wait for their judge. One: the judge does not work beside a capture.
        self._most_pending = 1 if options.alone else 2
        self._pending = threading.Semaphore(self._most_pending)
        self._lock = threading.Lock()

    def run(self):
        ends = time.monotonic() + self.options.seconds
        taken = 0
        while taken < self.options.images and time.monotonic() < ends:
            folder = tempfile.mkdtemp(prefix="torture-", dir=self.options.scratch)
            try:
                taken = self._run_writer(folder, taken, ends)
            except WriterFailed as error:
                self.writer_failures.append(str(error))
                self.say("%s %s: %s" % (self.cell.version, self.cell.name, error))
                if len(self.writer_failures) >= 5:
                    break
            finally:
                for _ in range(self._most_pending):
                    self._pending.acquire()
                self._pending.release(self._most_pending)
                shutil.rmtree(folder)
        return self

    def _run_writer(self, folder, taken, ends):
        path = os.path.join(folder, "live.duckdb")
        writer = Writer(
            self.tools.program, self.tools.slowsync, self.cell, path, self.random.getrandbits(31)
        )
        try:
            writer.wait_ready()
            ends = min(ends, time.monotonic() + WRITER_SECONDS)
            while taken < self.options.images and time.monotonic() < ends:
                for method in self.options.methods:
                    time.sleep(self.random.uniform(0, self.options.pause))
                    writer.require_running()
                    self._take(method, writer, os.path.join(folder, "%s-%d" % (method, taken)))
                taken += 1
            writer.stop()
        finally:
            writer.kill()
            self.checkpoints += writer.checkpoints
            self.commits += writer.commits()
        return taken

    def _take(self, method, writer, destination):
        self._pending.acquire()
        image = images.take(method, writer, self.cell, self.tools, destination)
        if image.outcome != "taken":
            self._finish(image)
            return
        settle = self.random.random() < 0.25
        self._checkers.submit(self._judge, image, settle)

    def _judge(self, image, settle):
        try:
            images.check(image, self.cell, self.tools, settle, self.options.keep_bad)
        except Exception as error:  # The harness itself failed; that must not pass for good.
            image.outcome, image.detail = "error", "cannot check: %r" % error
        self._finish(image)

    def _finish(self, image):
        with self._lock:
            self.images.append(image)
        if image.outcome in ("bad", "error") and (
            image.method in OURS or self.options.verbose
        ):
            self.say(
                "%s %s %s: %s: %s"
                % (self.cell.version, self.cell.name, image.method, image.outcome, image.detail)
            )
        self._pending.release()

    def of(self, method):
        return [image for image in self.images if image.method == method]


def count(group, outcome):
    return sum(image.outcome == outcome for image in group)


def percentile(values, share):
    """The smallest value that at least `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def clearly_worse(bad, all_, control_bad, control_all):
    """Fisher's exact test, one-sided, at 1 %: so many bad of ours would not come by chance if both
    had the same rate."""
    if not all_ or not control_all:
        return bad > 0
    total, total_bad = all_ + control_all, bad + control_bad
    chance = sum(
        math.comb(all_, k) * math.comb(control_all, total_bad - k)
        for k in range(bad, min(all_, total_bad) + 1)
        if total_bad - k <= control_all
    ) / math.comb(total, total_bad)
    return chance < 0.01


def failures(run):
    """Why this cell fails, as lines; none if it passes."""
    control = run.of("stopped")
    listed = []
    for method in OURS:
        if method in run.options.methods:
            listed += failures_of(method, run, control)
    if len(run.writer_failures) >= 5:
        listed.append("the writer fails again and again")
    return ["%s %s: %s" % (run.cell.version, run.cell.name, line) for line in listed]


def failures_of(method, run, control):
    ours = run.of(method)
    listed = []
    bad = count(ours, "bad")
    if count(ours, "error"):
        listed.append("%d captures failed" % count(ours, "error"))
    if run.cell.judged_absolutely:
        if bad:
            listed.append("%d bad images" % bad)
    elif clearly_worse(bad, bad + count(ours, "good"), count(control, "bad"), len(control)):
        listed.append("%d bad images; a crash does better" % bad)
    if not ours:
        listed.append("no image was tried")
    return ["%s: %s" % (method, line) for line in listed]


def print_table(runs, methods):
    columns = "%-7s %-26s %-9s %6s %5s %4s %7s %5s  %-24s %21s"
    heads = ("duckdb", "load", "method", "images", "good", "bad", "refused", "error", "grades")
    print(columns % (*heads, "median/95 %/max, s"))
    for run in runs:
        for method in methods:
            group = run.of(method)
            if not group:
                continue
            taken = [image for image in group if image.outcome in ("good", "bad")]
            grades = {}
            for image in taken:
                grades[image.grade] = grades.get(image.grade, 0) + 1
            seconds = [image.seconds for image in taken]
            times = "%.2f/%.2f/%.2f" % (
                percentile(seconds, 0.5),
                percentile(seconds, 0.95),
                max(seconds, default=0),
            )
            listed = " ".join("%s %d" % pair for pair in sorted(grades.items()) if pair[0])
            note = "" if run.cell.judged_absolutely or method not in OURS else " (beside a crash)"
            print(
                columns
                % (
                    run.cell.version,
                    run.cell.name,
                    method,
                    len(group),
                    count(group, "good"),
                    count(group, "bad"),
                    count(group, "refused"),
                    count(group, "error"),
                    listed,
                    times,
                )
                + note
            )
    for method in methods:
        group = [image for run in runs for image in run.of(method)]
        print(
            "total %-8s: %d images, %d good, %d bad, %d refused, %d errors"
            % (method, len(group), *(count(group, o) for o in ("good", "bad", "refused", "error")))
        )
    print(
        "writers: %d commits, %d explicit checkpoints, %d failures of DuckDB"
        % (
            sum(run.commits for run in runs),
            sum(run.checkpoints for run in runs),
            sum(len(run.writer_failures) for run in runs),
        )
    )


def write_report(path, seed, runs):
    with open(path, "w") as file:
        for run in runs:
            for image in run.images:
                line = {"version": run.cell.version, "load": run.cell.name, "seed": seed}
                line.update(dataclasses.asdict(image))
                file.write(json.dumps(line) + "\n")


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", help="build folder (default: build/release or build/dev)")
    parser.add_argument("--duckback", help="the program to try (default: the build's)")
    parser.add_argument("--versions", help="of DuckDB, separated by commas (default: all present)")
    parser.add_argument("--workloads", default="single-1mb", help="loads, with modifiers: a+16k,b")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--images", type=int, default=10, help="per version, load and method")
    parser.add_argument("--seconds", type=float, default=120, help="at most, per version and load")
    parser.add_argument("--pause", type=float, default=0.3, help="longest, between two captures")
    parser.add_argument("--timeout", type=float, default=60, help="of one capture")
    parser.add_argument("--jobs", type=int, default=1, help="versions and loads at the same time")
    parser.add_argument("--alone", action="store_true", help="no judging beside a capture")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--keep-bad", metavar="DIR", help="keep bad images there")
    parser.add_argument("--scratch", metavar="DIR", help="where databases and images live")
    parser.add_argument("--report", metavar="FILE", help="a line of JSON per image")
    parser.add_argument("--verbose", action="store_true", help="name bad images of the controls too")
    options = parser.parse_args(arguments)
    options.methods = options.methods.split(",")
    return options


def make_cells(options, tools):
    present = plan.present_versions()
    wanted = options.versions.split(",") if options.versions else plan.WANTED_VERSIONS
    for version in wanted:
        if version not in present:
            print("SKIPPED: there is no DuckDB %s in %s" % (version, plan.LIBRARIES))
    loads = plan.known_loads(tools.program)
    cells = []
    for version in wanted:
        for name in options.workloads.split(",") if version in present else []:
            cell = plan.make_cell(version, present[version], loads, name)
            if cell:
                cells.append(cell)
            else:
                print("SKIPPED: %s is nothing for DuckDB %s" % (name, version))
    return cells


def run_cells(cells, options, tools):
    lock = threading.Lock()

    def say(text):
        with lock:
            print(text, file=sys.stderr, flush=True)

    say("seed %d" % options.seed)
    with concurrent.futures.ThreadPoolExecutor(max(2, options.jobs)) as checkers:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            started = [
                CellRun(cell, options, tools, options.seed + i, checkers, say)
                for i, cell in enumerate(cells)
            ]
            return list(pool.map(CellRun.run, started))


def main():
    options = parse_arguments()
    tools = find_tools(options)
    if set(OURS) & set(options.methods) and not os.path.exists(tools.duckback):
        raise SystemExit("there is no %s; build it, or name it with --duckback" % tools.duckback)
    runs = run_cells(make_cells(options, tools), options, tools)
    print_table(runs, options.methods)
    if options.report:
        write_report(options.report, options.seed, runs)
    failed = [line for run in runs for line in failures(run)]
    for line in failed:
        print("FAILED: " + line)
    print("seed %d: %s" % (options.seed, "failed" if failed else "passed"))
    bad = sum(1 for run in runs if failures(run))
    skipped = len(set(plan.WANTED_VERSIONS) - set(plan.present_versions())) if not options.versions else 0
    print("%d passed, %d failed, %d skipped" % (len(runs) - bad, bad, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
