"""A process that writes to a database, as torture.py sees it."""

import bisect
import os
import signal
import subprocess
import threading
import time


class WriterFailed(Exception):
    pass


class Writer:
    """Runs from the constructor until stop(). `log` is a file for what it says on stderr."""

    def __init__(self, program, slowsync, cell, path, seed):
        self.path = path
        self.checkpoints = 0
        self._acknowledged = {}  # thread -> ([nanoseconds], [(generation, step)])
        self._ready = threading.Event()
        environment = dict(os.environ, **cell.environment)
        if cell.environment:
            environment["LD_PRELOAD"] = slowsync
        self._log = open(path + ".log", "w+")
        self._process = subprocess.Popen(
            [program, "write", "--library", cell.library, "--db", path]
            + ["--load", cell.load["name"], "--seed", str(seed), *cell.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self):
        for line in self._process.stdout:
            words = line.split()
            if words[0] == "commit":
                generation, thread, step, ns = map(int, words[1:])
                times, positions = self._acknowledged.setdefault(thread, ([], []))
                positions.append((generation, step))
                times.append(ns)
            elif words[0] == "checkpoint":
                self.checkpoints += 1
            elif words[0] == "ready":
                self._ready.set()
        self._ready.set()

    def wait_ready(self):
        self._ready.wait()
        self.require_running()

    def require_running(self):
        if self._process.poll() is not None:
            self._log.seek(0)
            raise WriterFailed(
                "the writer ended (%d): %s" % (self._process.returncode, self._log.read().strip())
            )

    def commits(self):
        return sum(len(times) for times, _ in list(self._acknowledged.values()))

    def acknowledged_before(self, ns):
        """What an image taken after `ns` must hold, as the checker wants it: "0:14,3"."""
        generation, steps = 0, []
        for thread in range(max(self._acknowledged, default=-1) + 1):
            times, positions = self._acknowledged.get(thread, ([], []))
            count = bisect.bisect_left(times, ns)
            newest = positions[count - 1] if count else (0, 0)
            generation = newest[0]
            steps.append(newest[1])
        return "%d:%s" % (generation, ",".join(map(str, steps)))

    def pause(self):
        """Stops all its threads; returns when none runs any more."""
        self._process.send_signal(signal.SIGSTOP)
        folder = "/proc/%d/task" % self._process.pid
        while True:
            states = []
            for task in os.listdir(folder):
                with open("%s/%s/stat" % (folder, task)) as stat:
                    states.append(stat.read().rpartition(")")[2].split()[0])
            if all(state in "TZX" for state in states):
                return
            time.sleep(0.001)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        """Ends it in order; throws if it fails."""
        if self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(timeout=120)
            except subprocess.TimeoutExpired:
                self.kill()
        self._listener.join()
        if self._process.returncode != 0:
            self.require_running()
        self._log.close()
