"""A DuckDB process that runs SQL as it is told, and dies without closing anything."""

import json
import subprocess


class SqlError(Exception):
    pass


class Sql:
    """Sessions are named by numbers and begin when first used. run() waits for the answer; start()
    does not, and join() fetches it later."""

    def __init__(self, program, library):
        self._answers = {}
        self._process = subprocess.Popen(
            [program, "sql", "--library", library],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _send(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def join(self, session):
        while session not in self._answers:
            line = self._process.stdout.readline()
            if not line:
                raise SqlError("DuckDB died (%s)" % self._process.wait())
            answer = json.loads(line)
            self._answers[int(answer["session"])] = answer
        answer = self._answers.pop(session)
        if "error" in answer:
            raise SqlError(answer["error"].split("\n")[0])
        return answer["rows"]

    def run(self, sql, session=1):
        self._send("%d %s" % (session, sql))
        return self.join(session)

    def start(self, sql, session):
        self._send("%d& %s" % (session, sql))

    def attach(self, path, options=""):
        self.run("ATTACH '%s' AS torture %s" % (path.replace("'", "''"), options))
        self.run("USE torture")

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
