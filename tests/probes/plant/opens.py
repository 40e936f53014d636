"""Plants 23 files that can't be opened, 23 written ones, 23 openings of a sensitive one, and 69 only counted."""

import contextlib
import json
import os
import shutil
import tempfile

PLANTED = 23


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


folder = tempfile.mkdtemp()
try:
    with open(folder + "/there", "w"):
        missing = ["%s/missing-%d" % (folder, i) for i in range(PLANTED)]
    written = ["%s/written-%d" % (folder, i) for i in range(PLANTED)]
    print(json.dumps({
        "missing": missing,
        "flags": os.O_WRONLY | os.O_APPEND,
        "failed": in_a_child(missing, os.O_WRONLY | os.O_APPEND),
        "secret": in_a_child(["/etc/shadow"] * PLANTED, os.O_RDONLY),
        "written": in_a_child(written, os.O_WRONLY | os.O_CREAT),
        "plain": in_a_child([folder + "/there", "/etc/passwd"] * PLANTED, os.O_RDONLY),
        "thrown_away": in_a_child(["/dev/null"] * PLANTED, os.O_WRONLY),
        "made": written,
        "uid": os.getuid(),
    }))  # fmt: skip
finally:
    shutil.rmtree(folder)
