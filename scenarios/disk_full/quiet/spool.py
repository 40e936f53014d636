"""What a small service does with its disk, for drills: spool.py HOW FOLDER SECONDS, begun when its input is closed.

HOW: write (one log, until it is full and on), make (many small files), fits (a large file that fits, again and again),
errors (no room is not among them: no such file, no such right, exists already).
"""

import contextlib
import os
import sys
import time

HOW, FOLDER, SECONDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
BLOCK = b"order 4711: 23 pieces\n" * 2978  # just under 64 KiB


def write(turn: int, log: int) -> None:
    os.write(log, BLOCK)
    time.sleep(0.02)


def make(turn: int, log: int) -> None:
    with open(f"{FOLDER}/mail-{turn}", "x") as mail:
        mail.write("new mail\n")


def fits(turn: int, log: int) -> None:
    with open(f"{FOLDER}/archive", "wb") as archive:
        for _ in range(100):
            archive.write(BLOCK)
        os.fsync(archive.fileno())


def errors(turn: int, log: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        open(f"{FOLDER}/no-such-file").close()
    with contextlib.suppress(PermissionError):
        os.open(f"{FOLDER}/log", os.O_WRONLY)
    with contextlib.suppress(FileExistsError):
        os.mkdir(FOLDER)
    with contextlib.suppress(NotADirectoryError):
        os.mkdir(f"{FOLDER}/log/below")
    with contextlib.suppress(OSError):
        os.write(99, BLOCK)


work = {"write": write, "make": make, "fits": fits, "errors": errors}[HOW]
log = os.open(f"{FOLDER}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
if HOW == "write":
    for _ in range(120):
        os.write(log, BLOCK)
if HOW == "errors":
    os.chmod(FOLDER, 0o755)
    os.setuid(65534)  # root could open all
sys.stdin.read()
end, turn, failed = time.monotonic() + SECONDS, 0, 0
while time.monotonic() < end:
    try:
        work(turn, log)
    except OSError as exc:
        failed += 1
        if failed == 1:
            print(f"spool: {exc.strerror}", file=sys.stderr)
    turn += 1
    time.sleep(0.02)
