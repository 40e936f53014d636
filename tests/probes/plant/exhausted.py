"""Fills a small disk and a table of descriptors: 23 writes, folders and sockets that find no room, by known calls."""

import json
import os
import resource
import socket
import subprocess
import tempfile

COUNT = 23


def fails(error, call, *args):
    """It must, with that error."""
    try:
        call(*args)
    except OSError as exc:
        if exc.errno == error:
            return
        raise
    raise SystemExit(f"{call} did not fail")


outer = tempfile.mkdtemp(prefix="planted-exhausted-")
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "planted", outer], check=True)
folder = outer + "/in/mount"
os.makedirs(folder)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=4", "planted", folder], check=True)
try:
    os.mkdir(folder + "/deep")
    path = folder + "/deep/journal"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    while os.stat(path).st_size < 65536:
        os.write(fd, b"x" * 4096)
    for _ in range(COUNT):
        fails(28, os.write, fd, b"x" * 100)  # no space
    os.mkdir(folder + "/last")
    for _ in range(COUNT):
        fails(28, os.mkdir, folder + "/one-more")  # no inode
    found = os.fstat(fd)
    os.close(fd)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        opened = os.open("/dev/null", os.O_RDONLY)
        resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        for _ in range(COUNT):
            fails(24, os.open, "/etc/hostname", os.O_RDONLY)
            fails(24, socket.socket)
            fails(24, listener._accept)
        client.close()
        os.close(opened)
finally:
    subprocess.run(["umount", folder], check=True)
    subprocess.run(["umount", outer], check=True)
    os.rmdir(outer)
print(json.dumps({
    "pid": os.getpid(), "count": COUNT, "mount": folder, "inode": found.st_ino, "major": os.major(found.st_dev),
    "minor": os.minor(found.st_dev), "limit": opened + 1, "port": port,
    "calls": [["write", 28], ["mkdir", 28], ["openat", 24], ["socket", 24], ["accept4", 24]],
}))  # fmt: skip
