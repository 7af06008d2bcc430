# A password that is typed: Ctrl-Z at the prompt stops nothing, and the terminal shows again what is typed afterwards.
. "$(dirname "$0")/common.inc"
unset DUCKBACK_REPO; HOME=$tmp; export HOME
printf 'secret\n' >password
expect 0 "$duckback" init safe --encrypt --password-file password
cat >prompt.py <<'PYTHON'
"""The leader of a session on a terminal of its own, as a shell is, with duckback in the foreground."""
import os, pty, signal, sys, termios

leader, terminal = pty.fork()
if leader == 0:
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execv(sys.argv[1], [sys.argv[1], "snapshots", "--repo", "safe"])
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        os.kill(child, signal.SIGKILL)
        os._exit(99)
    shown = termios.tcgetattr(0)[3] & termios.ECHO
    os._exit(os.waitstatus_to_exitcode(status) if shown else 98)
seen = b""
while b"Password of" not in seen:
    seen += os.read(terminal, 1000)
while termios.tcgetattr(terminal)[3] & termios.ECHO:
    pass
os.write(terminal, b"\x1a")
os.write(terminal, b"secret\n")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(leader, 0)[1]))
PYTHON
expect 0 python3 prompt.py "$duckback"
