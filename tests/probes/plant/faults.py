"""A file of 640 pages that are not in memory, mapped, and each page touched once."""

import json
import mmap
import os
import resource
import shutil
import tempfile

PAGES = 640
folder = tempfile.mkdtemp(dir="/var/tmp")
try:
    path = folder + "/planted-map"
    with open(path, "wb") as stream:
        stream.write(os.urandom(PAGES * mmap.PAGESIZE))
        stream.flush()
        os.fsync(stream.fileno())
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    mapped = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    mapped.madvise(mmap.MADV_RANDOM)  # none is read ahead of time
    for i in range(PAGES):
        mapped[i * mmap.PAGESIZE]
    so_far = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
    found = os.fstat(fd)
finally:
    shutil.rmtree(folder)
print(json.dumps({
    "pid": os.getpid(), "faults": PAGES, "so_far": so_far, "inode": found.st_ino, "name": "planted-map",
    "major": os.major(found.st_dev), "minor": os.minor(found.st_dev),
}))  # fmt: skip
