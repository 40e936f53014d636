#!/usr/bin/python3
"""An archive of 48 MiB on a small disk, and who reads it: reader.py HOW SECONDS.

The disk is a loop device on a file in the cell's own memory, so what the cgroup may have less 56 MiB is left for the
cache; disk, mount and loop device are gone with the cell. The work begins when standard input is closed. HOW:

    squeezed   pages at random, a few thousand a second; the archive does not fit into the cache
    cold       the same, but slower, with memory enough and nothing in the cache yet
    fits       the same as squeezed, with memory enough and all of it in the cache
    scan       from its beginning to its end, once; it does not fit into the cache either
"""

import os
import random
import shutil
import subprocess
import sys
import time

HOW, SECONDS = sys.argv[1], int(sys.argv[2])
PAGE, MIB, SIZE = 4096, 1 << 20, 48 << 20
IMAGE, PLACE, NAME = os.path.abspath("archive.img"), os.path.abspath("data"), "archive.db"


def make_disk() -> str:
    """Mount an ext4 with the archive on it, of which nothing is in the cache. Returns the archive's path."""
    with open(IMAGE, "wb", buffering=0) as image:  # all of it now, to be charged to this cgroup
        for _ in range(56):
            image.write(bytes(MIB))
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^has_journal", "-E", "nodiscard", IMAGE], check=True)
    os.mkdir(PLACE)
    subprocess.run(["mount", "-o", "loop", IMAGE, PLACE], check=True)
    path = f"{PLACE}/{NAME}"
    with open(path, "wb", buffering=0) as file:
        for _ in range(SIZE // MIB):
            file.write(os.urandom(MIB))
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


def look_up(path: str, end: float, pause_s: float) -> None:
    """Read pages of it at random, 50 and then a pause."""
    chance, worst, count = random.Random(4711), 0.0, 0
    file = os.open(path, os.O_RDONLY)
    while time.monotonic() < end:
        began = time.monotonic()
        for _ in range(50):
            os.pread(file, PAGE, chance.randrange(SIZE // PAGE) * PAGE)
        worst, count = max(worst, time.monotonic() - began), count + 50
        time.sleep(pause_s)
    os.close(file)
    print(f"{count} pages, the slowest 50 took {worst * 1000:.1f} ms", flush=True)


def scan(path: str, end: float) -> None:
    """Read it once from its beginning to its end, as long as there is time."""
    pause_s = max(0.0, end - time.monotonic()) / (SIZE // (MIB // 4)) * 0.8
    with open(path, "rb", buffering=0) as file:
        while time.monotonic() < end and file.read(MIB // 4):
            time.sleep(pause_s)
    time.sleep(max(0.0, end - time.monotonic()))


if not shutil.which("mkfs.ext4") or not os.path.exists("/dev/loop-control"):
    print("mkfs.ext4 or loop devices are not there", file=sys.stderr)
    raise SystemExit(77)
path = make_disk()
if HOW in ("squeezed", "fits"):  # its usual state: what has room is in the cache
    with open(path, "rb", buffering=0) as file:
        while file.read(MIB):
            pass
sys.stdin.read()
end = time.monotonic() + SECONDS
if HOW == "scan":
    scan(path, end)
else:
    look_up(path, end, 0.02 if HOW == "cold" else 0.005)
subprocess.run(["umount", PLACE], check=True)
