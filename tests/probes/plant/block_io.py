"""Plants 23 reads of a disk, each past the page cache and of a size that nothing else has; 23 writes that fail; and 23
reads that a cgroup's limit holds back before the disk, a tmpfs, hears of them."""

import json
import mmap
import os
import resource
import shutil
import subprocess
import tempfile
import time

import own_cgroup

PLANTED = 23
SIZE = 5 * 4096
A_SECOND = 10  # reads that the limit lets through


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()


def sleeps():
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


def move(path, flags, do, before=lambda: None):
    """(process id, [[errno or 0, ns that it took, times it slept]]) of a process that makes the requests in turn."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with open("/proc/self/comm", "w") as stream:
            stream.write("santa-mover")
        before()
        fd, page, done = os.open(path, flags | os.O_DIRECT), mmap.mmap(-1, SIZE), []
        for i in range(PLANTED):
            error, slept, began = 0, sleeps(), time.monotonic_ns()
            try:
                do(fd, [page], i * (SIZE + 4096))
            except OSError as exc:
                error = exc.errno
            done.append((error, time.monotonic_ns() - began, sleeps() - slept))
        os.write(writing, json.dumps(done).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    return pid, json.loads(os.read(reading, 65536))


def held_back(folder):
    """Reads of a loop device by a process in a cgroup that may read so often a second; what it was."""
    with open(folder + "/image", "wb") as stream:
        stream.write(bytes(1 << 20))
    loop = run("losetup", "--find", "--show", folder + "/image")
    try:
        number = os.stat(loop).st_rdev
        disk = "%d:%d" % (os.major(number), os.minor(number))
        has_v1 = any("blkio" in names.split(",") for _, names, _ in own_cgroup.lines())
        with own_cgroup.made("blkio" if has_v1 else "io") as (group, is_v1):
            own_cgroup.put(group, *(
                ("blkio.throttle.read_iops_device", "%s %d" % (disk, A_SECOND)) if is_v1
                else ("io.max", "%s riops=%d" % (disk, A_SECOND))
            ))  # fmt: skip
            pid, done = move(loop, os.O_RDONLY, os.preadv, lambda: own_cgroup.put(group, "cgroup.procs", os.getpid()))
            cgroup = own_cgroup.shown(own_cgroup.own() if is_v1 else group)[1]
        return {"pid": pid, "disk": os.path.basename(loop), "done": done, "cgroup": cgroup, "a_second": A_SECOND}
    finally:
        run("losetup", "--detach", loop)


folder = tempfile.mkdtemp(dir="/var/tmp")
try:
    path = folder + "/private"
    with open(path, "wb") as stream:
        stream.write(os.urandom(PLANTED * (SIZE + 4096)))
        stream.flush()
        os.fsync(stream.fileno())
    reader, worked = move(path, os.O_RDONLY, os.preadv)
    os.mkdir(folder + "/roomy")
    run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder + "/roomy")
    try:
        limited = held_back(folder + "/roomy")
    finally:
        run("umount", "--lazy", folder + "/roomy")
    os.mkdir(folder + "/full")
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder + "/full")
    try:
        with open(folder + "/full/image", "wb") as stream:
            stream.truncate(4 << 20)
        with open(folder + "/full/filler", "wb") as stream:
            stream.write(b"x" * (64 << 10))
        loop = run("losetup", "--find", "--show", folder + "/full/image")
        try:
            writer, errors = move(loop, os.O_WRONLY, os.pwritev)
        finally:
            run("losetup", "--detach", loop)
    finally:
        run("umount", "--lazy", folder + "/full")
finally:
    shutil.rmtree(folder)
print(json.dumps({
    "reader": reader,
    "read_errors": [error for error, _, _ in worked],
    "writer": writer,
    "write_errors": [error for error, _, _ in errors],
    "limited": limited,
    "full_disk": os.path.basename(loop),
    "data_bytes": SIZE,
}))  # fmt: skip
