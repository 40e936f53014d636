"""Plants 23 processes that the kernel kills, because their cgroup may hold only so much memory."""

import json
import mmap
import os
import sys

import own_cgroup

PLANTED = 23
LIMIT_BYTES = 32 << 20


def eat(folder):
    """A process that is killed for its greed; its id."""
    pid = os.fork()
    if pid == 0:
        own_cgroup.put("/proc/self", "comm", "santa-eater")
        own_cgroup.put("/proc/self", "oom_score_adj", 17)
        own_cgroup.put(folder, "cgroup.procs", os.getpid())
        kept = []
        while True:
            kept.append(mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE))
            for at in range(0, 1 << 20, 4096):
                kept[-1][at] = 1
    _, status = os.waitpid(pid, 0)
    if status != 9:
        sys.exit("it ended with status %d" % status)
    return pid


with own_cgroup.made("memory") as (folder, is_v1):
    limits = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if is_v1 else ("memory.max", "memory.swap.max")
    own_cgroup.put(folder, limits[0], LIMIT_BYTES)
    if os.path.exists(folder + "/" + limits[1]):
        own_cgroup.put(folder, limits[1], LIMIT_BYTES if is_v1 else 0)
    facts = {"planted": [eat(folder) for _ in range(PLANTED)], "limit_bytes": LIMIT_BYTES, "uid": os.getuid()}
    facts["cgroup_id"], facts["cgroup"] = own_cgroup.shown(folder)
print(json.dumps(facts))
