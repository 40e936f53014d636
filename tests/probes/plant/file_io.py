"""Writes, reads and syncs of a private file, some that fail, and one fsync that waits for a frozen file system."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

COUNT, SIZE, FROZEN_S = 23, 4096, 0.5
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878  # include/uapi/linux/fs.h


def file_system(image, where):
    """Make an ext4 in a file and mount it."""
    with open(image, "wb") as stream:
        stream.truncate(24 << 20 if where.endswith("lower") else 8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    os.mkdir(where)
    subprocess.run(["mount", "-o", "loop", image, where], check=True)


def unmount(where):
    """The disk of the other file system is let go of a moment after that one."""
    for _ in range(100):
        if subprocess.run(["umount", where], stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.1)
    raise SystemExit(where + " is still in use")


def slow_fsync(folder):
    """An fsync on a file system whose disk is a file on another, which stands still."""
    lower, upper, held = folder + "/lower", folder + "/upper", None
    mounted = []
    try:
        file_system(folder + "/lower.img", lower)
        mounted.append(lower)
        file_system(lower + "/upper.img", upper)
        mounted.append(upper)
        os.makedirs(upper + "/deep/down")
        path = upper + "/deep/down/journal"
        fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        before = time.monotonic_ns()
        os.fsync(fd)
        first = time.monotonic_ns() - before
        os.write(fd, b"x" * SIZE)
        held = os.open(lower, os.O_RDONLY)
        fcntl.ioctl(held, FIFREEZE, 0)
        thaw = threading.Timer(FROZEN_S, fcntl.ioctl, (held, FITHAW, 0))
        thaw.start()
        try:
            before = time.monotonic_ns()
            os.fsync(fd)
            took = time.monotonic_ns() - before
        finally:
            thaw.join()
        found = os.fstat(fd)
        os.close(fd)
        return {"name": "journal", "folder": "/deep/down", "mount": upper, "inode": found.st_ino, "took_ns": took,
                "first_ns": first, "major": os.major(found.st_dev), "minor": os.minor(found.st_dev)}  # fmt: skip
    finally:
        if held is not None:
            os.close(held)
        for where in reversed(mounted):
            unmount(where)


folder = tempfile.mkdtemp(dir="/var/tmp")
try:
    path = folder + "/planted-file"
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    only = os.open(path, os.O_WRONLY)
    for i in range(COUNT):
        os.pwrite(fd, b"x" * SIZE, i * SIZE)
        os.fsync(fd)
    for i in range(COUNT):
        os.pread(fd, SIZE, i * SIZE)
        os.fdatasync(fd)
        with contextlib.suppress(OSError):
            os.read(only, SIZE)
    found = os.fstat(fd)
    slow = slow_fsync(folder)
finally:
    shutil.rmtree(folder)
print(json.dumps({
    "pid": os.getpid(), "count": COUNT, "size": SIZE, "name": "planted-file", "inode": found.st_ino,
    "major": os.major(found.st_dev), "minor": os.minor(found.st_dev), "slow": slow,
}))  # fmt: skip
