"""Whole processes, timed: wall clock, processor time, largest resident set."""

import argparse
import os
import platform
import statistics
import subprocess
import tempfile
import time


def options(description, pairs):
    """What every comparison can be told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--pairs", type=int, default=pairs)
    parser.add_argument("--folder", default="/var/tmp")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if args.quick:
        args.mebibytes, args.pairs = 48, 1
    return args


class Command:
    """A command that is run several times; `prepare` is called before each, outside the time."""

    def __init__(self, name, argv, prepare=None, environment=None, statuses=(0,)):
        self.name, self.argv, self.prepare, self.statuses = name, [str(word) for word in argv], prepare, statuses
        self.environment = {**os.environ, **(environment or {})}
        self.seconds, self.cpu, self.peak_kib = [], [], 0

    def once(self, count=True):
        if self.prepare:
            self.prepare()
        os.sync()
        with tempfile.TemporaryFile() as output:
            began = time.monotonic()
            process = subprocess.Popen(self.argv, stdout=output, stderr=subprocess.STDOUT, env=self.environment,
                                       stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            self.output = output.read().decode(errors="replace")
        if process.returncode not in self.statuses:
            raise SystemExit(f"bench: {' '.join(self.argv)}\nfailed ({process.returncode}):\n{self.output[-2000:]}")
        self.peak_kib = max(self.peak_kib, usage.ru_maxrss)
        if count:
            self.seconds.append(seconds)
            self.cpu.append(usage.ru_utime + usage.ru_stime)
        return seconds

    def __str__(self):
        return (f"  {self.name:<44} {statistics.median(self.seconds):7.3f} s  ({min(self.seconds):.3f} to "
                f"{max(self.seconds):.3f})  cpu {statistics.median(self.cpu):6.2f} s  peak {self.peak_kib / 1024:6.0f} MiB")


def compare(title, ours, theirs, pairs, goal=None):
    """Runs both right after each other, in turns first and second, and prints both and the median of the pairs'
    ratios ours/theirs. Once before, uncounted, for the caches."""
    for command in (ours, theirs):
        command.once(count=False)
    ratios = []
    for pair in range(pairs):
        order = (ours, theirs) if pair % 2 == 0 else (theirs, ours)
        seconds = {command: command.once() for command in order}
        ratios.append(seconds[ours] / seconds[theirs])
    ratio = statistics.median(ratios)
    print(f"{title}: {pairs} pairs\n{ours}\n{theirs}")
    verdict = "" if goal is None else f"; the goal is {goal:.2f}: {'met' if ratio <= goal else 'MISSED'}"
    print(f"  ratio {ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f}), {1 / ratio:.1f} times as fast{verdict}\n", flush=True)
    return ratio


def machine():
    with open("/proc/cpuinfo") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return f"{cpu}, {os.cpu_count()} cores, {memory} GiB, Linux {platform.release()}"


def filesystem(folder):
    done = subprocess.run(["df", "--output=fstype", folder], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]
