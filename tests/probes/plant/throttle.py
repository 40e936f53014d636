"""Plants 23 periods in which a process has to stop, because its cgroup has used up its CPU limit."""

import json
import os
import time

import own_cgroup

PLANTED = 23
PERIOD_US, QUOTA_US = 100000, 20000


def stat(folder):
    with open(folder + "/cpu.stat") as stream:
        return {name: int(value) for name, value in (line.split() for line in stream)}


def burn(folder):
    """A process that burns until its group was throttled so often; its id."""
    pid = os.fork()
    if pid == 0:
        own_cgroup.put("/proc/self", "comm", "santa-burner")
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        own_cgroup.put(folder, "cgroup.procs", os.getpid())
        end = time.monotonic() + 20
        while time.monotonic() < end and stat(folder)["nr_throttled"] < PLANTED:
            pass
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


CONTAINER = "%064x" % os.getpid()
with own_cgroup.made("cpu", "docker-%s.scope" % CONTAINER) as (folder, is_v1):
    if is_v1:
        settings = {"cpu.shares": 262144, "cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": QUOTA_US}
    else:
        settings = {"cpu.weight": 10000, "cpu.max": "%d %d" % (QUOTA_US, PERIOD_US)}
    for name, value in settings.items():
        own_cgroup.put(folder, name, value)
    facts = {"planted": burn(folder), "periods": stat(folder)["nr_throttled"]}
    said = stat(folder)
    facts["throttled_ns"] = said["throttled_time"] if is_v1 else said["throttled_usec"] * 1000
    facts["cgroup_id"], facts["cgroup"] = own_cgroup.shown(folder, "cpu" if is_v1 else "")
    facts["container_id"] = CONTAINER
    facts["quota_ns"], facts["period_ns"] = QUOTA_US * 1000, PERIOD_US * 1000
print(json.dumps(facts))
