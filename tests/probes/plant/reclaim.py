"""Plants a reader whose cgroup is too small for its file, so that it has to free its own pages; compacts the node."""

import json
import os
import re
import shutil
import tempfile

import own_cgroup

FILE_BYTES, LIMIT_BYTES = 23 << 20, 8 << 20


def forget(fd):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def read_twice(folder, path):
    pid = os.fork()
    if pid == 0:
        own_cgroup.put("/proc/self", "comm", "santa-reader")
        own_cgroup.put(folder, "cgroup.procs", os.getpid())
        fd = os.open(path, os.O_RDONLY)
        for _ in range(2):
            at = 0
            while True:
                got = len(os.pread(fd, 65536, at))
                if not got:
                    break
                at += got
        forget(fd)
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


home = tempfile.mkdtemp(dir="/var/tmp")
try:
    with open(home + "/private", "wb") as stream:
        stream.write(os.urandom(FILE_BYTES))
        stream.flush()
        os.fsync(stream.fileno())
        forget(stream.fileno())
    device = os.stat(home + "/private").st_dev
    container = "%064x" % os.getpid()
    with own_cgroup.made("memory", "docker-%s.scope" % container) as (folder, is_v1):
        own_cgroup.put(folder, "memory.limit_in_bytes" if is_v1 else "memory.max", LIMIT_BYTES)
        facts = {"reader": read_twice(folder, home + "/private"), "container_id": container}
        facts["major"], facts["minor"] = os.major(device), os.minor(device)
        facts["cgroup_id"], facts["cgroup"] = own_cgroup.shown(folder)
        own_cgroup.put(folder, "memory.force_empty", 0) if is_v1 else None
finally:
    shutil.rmtree(home)
with open("/proc/zoneinfo") as stream:  # each zone with pages is compacted for itself
    facts["zones"] = len(re.findall(r"^ +managed +[1-9]", stream.read(), re.MULTILINE))
own_cgroup.put("/proc/sys/vm", "compact_memory", 1)
facts["compacter"] = os.getpid()
print(json.dumps({**facts, "file_bytes": FILE_BYTES, "limit_bytes": LIMIT_BYTES}))
