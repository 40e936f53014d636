"""Plants 23 files that cannot be opened, 23 written, 23 by creat(2), 23 openings of a sensitive one, 23 to write one,
and 69 only counted. The sensitive file that is written is one of the plant's own: it has an /etc of its own.
"""

import contextlib
import ctypes
import json
import os
import shutil
import sys
import tempfile

PLANTED = 23
CREAT = 85  # on x86-64
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)


def done(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "a call of the plant's failed")


def in_a_child(paths, flags):
    """Opens them in a process that opens nothing else; its id."""
    pid = os.fork()
    if pid == 0:
        for path in paths:
            with contextlib.suppress(OSError):
                os.open(path, flags)
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def creates(paths):
    """Makes them by creat(2), in a process that opens nothing else; its id."""
    pid = os.fork()
    if pid == 0:
        for path in paths:
            libc.syscall(CREAT, os.fsencode(path), 0o600)
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def writes_own_passwd():
    """Opens /etc/passwd to write it, where /etc is a file system in memory that only this process sees; its id."""
    pid = os.fork()
    if pid == 0:
        try:
            done(libc.unshare(CLONE_NEWNS))
            done(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
            done(libc.mount(b"planted", b"/etc", b"tmpfs", 0, None))
            for _ in range(PLANTED):
                os.close(os.open("/etc/passwd", os.O_WRONLY | os.O_CREAT))
        except BaseException as exc:
            print(exc, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("there is no /etc of its own to be had")
    return pid


folder = tempfile.mkdtemp()
try:
    with open(folder + "/there", "w"):
        missing = ["%s/missing-%d" % (folder, i) for i in range(PLANTED)]
    created = ["%s/created-%d" % (folder, i) for i in range(PLANTED)]
    written = ["%s/written-%d" % (folder, i) for i in range(PLANTED)]
    print(json.dumps({
        "missing": missing,
        "flags": os.O_WRONLY | os.O_APPEND,
        "failed": in_a_child(missing, os.O_WRONLY | os.O_APPEND),
        "secret": in_a_child(["/etc/shadow"] * PLANTED, os.O_RDONLY),
        "written": in_a_child(written, os.O_WRONLY | os.O_CREAT),
        "creator": creates(created),
        "created": created,
        "rewriter": writes_own_passwd(),
        "plain": in_a_child([folder + "/there", "/etc/passwd"] * PLANTED, os.O_RDONLY),
        "thrown_away": in_a_child(["/dev/null"] * PLANTED, os.O_WRONLY),
        "made": written,
        "uid": os.getuid(),
    }))  # fmt: skip
finally:
    shutil.rmtree(folder)
