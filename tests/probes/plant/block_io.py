"""Plants 23 reads of a disk, each past the page cache and of a size that nothing else has; and 23 writes that fail."""

import json
import mmap
import os
import shutil
import subprocess
import tempfile

PLANTED = 23
SIZE = 5 * 4096


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()


def move(path, flags, do):
    """(process id, [errno or 0]) of a process that makes the requests, one after another."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with open("/proc/self/comm", "w") as stream:
            stream.write("santa-mover")
        fd, page, errors = os.open(path, flags | os.O_DIRECT), mmap.mmap(-1, SIZE), []
        for i in range(PLANTED):
            try:
                do(fd, [page], i * (SIZE + 4096))
                errors.append(0)
            except OSError as exc:
                errors.append(exc.errno)
        os.write(writing, json.dumps(errors).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    return pid, json.loads(os.read(reading, 65536))


folder = tempfile.mkdtemp(dir="/var/tmp")
try:
    path = folder + "/private"
    with open(path, "wb") as stream:
        stream.write(os.urandom(PLANTED * (SIZE + 4096)))
        stream.flush()
        os.fsync(stream.fileno())
    reader, worked = move(path, os.O_RDONLY, os.preadv)
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
    "read_errors": worked,
    "writer": writer,
    "write_errors": errors,
    "full_disk": os.path.basename(loop),
    "data_bytes": SIZE,
}))  # fmt: skip
