"""A small disk that is as slow as it is told to be, with a service that writes a journal on it: disk.py HOW SECONDS.

The disk is a loop device on a file that this program serves itself (FUSE): all of it is in memory, and gone with it.
The work begins when standard input is closed. HOW:

    device     each write that reaches the disk takes 50 ms
    neighbour  64 MiB/s and 1 ms a write, while another process writes 4 MiB at a time and waits for them
    buffered   the disk is fast; another process writes 8 MiB at a time and waits for nothing
    many       the disk is fast, and the journal is synced without a pause
"""

import contextlib
import ctypes
import errno
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

HOW, SECONDS = sys.argv[1], int(sys.argv[2])
SIZE, MIB = 40 << 20, 1 << 20
# include/uapi/linux/fuse.h
GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT = 3, 4, 14, 15, 16, 17, 18, 20, 25, 26
FORGET, INTERRUPT, DESTROY, BIG_WRITES = 2, 36, 38, 32
IMAGE, PLACE = os.path.abspath("disk.img"), os.path.abspath("data")
is_slow = mmap.mmap(-1, 8)  # shared by all processes here


def pause(size: int) -> None:
    """What the disk takes for a write of so many bytes."""
    if is_slow[0] and HOW == "device":
        time.sleep(0.05)
    elif is_slow[0] and HOW == "neighbour":
        time.sleep(0.001 + size / (64 << 20))


def serve(fuse: int) -> None:
    """Be the file below the disk until it is unmounted."""
    content = bytearray(SIZE)
    blocks = (SIZE // 512, 0, 0, 0, 0, 0, 0, 0o100600, 1, 0, 0, 0, 4096, 0)
    attributes = struct.pack("<QII6Q10I", 3600, 0, 0, 1, SIZE, *blocks[:4], *blocks[4:])
    while True:
        try:
            request = os.read(fuse, MIB + 4096)
        except OSError as exc:
            if exc.errno == errno.ENODEV:
                return
            raise
        _, code, unique, _ = struct.unpack_from("<IIQQ", request)
        error, answer = 0, b""
        if code == INIT:
            answer = struct.pack("<4I2H2I2H8I", 7, 31, 131072, BIG_WRITES, 64, 48, 131072, 1, 0, 0, *[0] * 8)
        elif code in (GETATTR, SETATTR):
            answer = attributes
        elif code == OPEN:
            answer = struct.pack("<QII", 1, 0, 0)
        elif code == READ:
            at, size = struct.unpack_from("<QI", request, 48)
            answer = bytes(content[at : at + size])
        elif code == WRITE:
            at, size = struct.unpack_from("<QI", request, 48)
            pause(size)
            content[at : at + size] = request[80 : 80 + size]
            answer = struct.pack("<II", size, 0)
        elif code == STATFS:
            answer = struct.pack("<5Q10I", SIZE // 4096, 0, 0, 1, 0, 4096, 255, 4096, *[0] * 7)
        elif code in (FORGET, INTERRUPT):
            continue
        elif code not in (RELEASE, FSYNC, FLUSH, DESTROY):
            error = -errno.ENOSYS
        with contextlib.suppress(FileNotFoundError):  # the request was broken off
            os.write(fuse, struct.pack("<IiQ", 16 + len(answer), error, unique) + answer)


def make_disk() -> int:
    """Mount the file and, on a loop device on it, an ext4. Returns the server's pid."""
    open(IMAGE, "w").close()
    os.mkdir(PLACE)
    fuse = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    moved, moving = os.pipe()
    waiting, mounted = os.pipe()
    server = os.fork()
    if server == 0:
        # Not in the mount namespace of the disk: the last one there unmounts it, also when all are killed, and must not
        # be who the disk waits for.
        if libc.unshare(0x20000):  # CLONE_NEWNS
            os._exit(1)
        os.write(moving, b".")
        os.close(mounted)
        os.read(waiting, 1)
        serve(fuse)
        os._exit(0)
    os.close(moving)
    os.read(moved, 1)
    options = f"fd={fuse},rootmode=100600,user_id=0,group_id=0".encode()
    if libc.mount(b"slow-disk", IMAGE.encode(), b"fuse", ctypes.c_ulong(6), options):
        raise OSError(ctypes.get_errno(), "mount of the disk's file")
    for end in (fuse, moved, waiting, mounted):
        os.close(end)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,nodiscard", IMAGE], check=True)
    subprocess.run(["mount", "-o", "loop", IMAGE, PLACE], check=True)
    return server


def journal(end: float) -> None:
    """A service that keeps each order on disk before it says so."""
    file = os.open(f"{PLACE}/orders/journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    worst, count = 0.0, 0
    while time.monotonic() < end and count < 4000:
        os.write(file, b"order 4711: 23 pieces\n" * 100)
        began = time.monotonic()
        os.fsync(file)
        worst, count = max(worst, time.monotonic() - began), count + 1
        if HOW != "many":
            time.sleep(0.02)
    os.close(file)
    time.sleep(max(0.0, end - time.monotonic()))
    print(f"{count} orders, the slowest fsync took {worst * 1000:.0f} ms", flush=True)


if not shutil.which("mkfs.ext4") or not os.path.exists("/dev/fuse") or not os.path.exists("/dev/loop-control"):
    print("mkfs.ext4, FUSE or loop devices are not there", file=sys.stderr)
    raise SystemExit(77)
server = make_disk()
for folder in ("orders", "backup"):
    os.mkdir(f"{PLACE}/{folder}")
subprocess.run(["sync", "-f", PLACE], check=True)
sys.stdin.read()
end = time.monotonic() + SECONDS
is_slow[0] = 1
program = [sys.executable, os.path.join(os.path.dirname(__file__), "backup.py")]
other = subprocess.Popen([*program, HOW, f"{PLACE}/backup", str(SECONDS)]) if HOW in ("neighbour", "buffered") else None
journal(end)
is_slow[0] = 0
if other is not None:
    other.wait()
subprocess.run(["umount", PLACE], check=True)
subprocess.run(["umount", "-l", IMAGE], check=True)
os.kill(server, signal.SIGKILL)
os.waitpid(server, 0)
