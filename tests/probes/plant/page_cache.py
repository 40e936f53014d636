"""Plants 23 pages of a file on a disk of its own: read 4 times, then forgotten, by a process that does nothing else."""

import json
import os
import shutil
import subprocess
import tempfile

PAGES, TIMES = 23, 4


def forget(fd):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


folder = tempfile.mkdtemp(dir="/var/tmp")
try:
    image, inner = folder + "/image", folder + "/mounted"
    os.mkdir(inner)
    with open(image, "wb") as stream:
        stream.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    subprocess.run(["mount", "-o", "loop", image, inner], check=True)
    try:
        with open(inner + "/private", "wb") as stream:
            stream.write(os.urandom(PAGES * 4096))
            stream.flush()
            os.fsync(stream.fileno())
            forget(stream.fileno())
        device = os.stat(inner + "/private").st_dev
        reader = os.fork()
        if reader == 0:
            fd = os.open(inner + "/private", os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)  # nothing is read ahead: each page is missed once
            for _ in range(TIMES):
                for page in range(PAGES):
                    os.pread(fd, 4096, page * 4096)
            forget(fd)
            os._exit(0)
        os.waitpid(reader, 0)
    finally:
        subprocess.run(["umount", "--lazy", inner], check=True)
finally:
    shutil.rmtree(folder)
facts = {"reader": reader, "major": os.major(device), "minor": os.minor(device), "pages": PAGES, "times": TIMES}
print(json.dumps(facts))
