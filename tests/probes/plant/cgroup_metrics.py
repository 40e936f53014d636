"""A cgroup with limits whose one process holds 40 MiB and wants more CPU than it may have, for over three seconds.

Prints one JSON line: {"path", "version", and what the cgroup's own files said at the end}.
"""

import json
import os
import subprocess
import sys
import time

HELD, MEMORY, QUOTA_US, PERIOD_US, PIDS = 40 << 20, 64 << 20, 20000, 100000, 5
EATER = """
import os, sys, time
for folder in sys.argv[2:]:
    with open(folder + "/cgroup.procs", "w") as stream:
        stream.write(str(os.getpid()))
held = bytearray(int(sys.argv[1]))
for at in range(0, len(held), 4096):
    held[at] = 1
end = time.monotonic() + 3.3
while time.monotonic() < end:
    pass
"""


def folders(name):
    """Controller -> the folder of a new cgroup of that name, and the version; of v2 all are one."""
    v1, v2 = {}, None
    with open("/proc/self/mountinfo") as stream:
        for line in stream:
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            place = before.split(" ")[4] + "/" + name
            if kind == "cgroup":
                v1.update(dict.fromkeys(options.strip().split(","), place))
            elif kind == "cgroup2":
                v2 = place
    wanted = ("cpu", "cpuacct", "memory", "pids")
    if all(controller in v1 for controller in wanted):
        return {controller: v1[controller] for controller in wanted}, 1
    if v2:
        with open(os.path.dirname(v2) + "/cgroup.subtree_control") as stream:
            if {"cpu", "memory", "pids"} <= set(stream.read().split()):
                return dict.fromkeys(wanted, v2), 2
    return {}, 0


def write(path, value):
    with open(path, "w") as stream:
        stream.write(str(value))


def read(path):
    with open(path) as stream:
        return stream.read()


def keyed(path, key):
    return next(int(line.split()[1]) for line in read(path).splitlines() if line.split()[0] == key)


def main():
    name = "santabpf-plant-%d" % os.getpid()
    at, version = folders(name)
    if not at:
        return "no cgroup with the controllers cpu, memory and pids can be made here"
    own = sorted(set(at.values()))
    for folder in own:
        os.mkdir(folder)
    try:
        if version == 1:
            write(at["cpu"] + "/cpu.cfs_period_us", PERIOD_US)
            write(at["cpu"] + "/cpu.cfs_quota_us", QUOTA_US)
            write(at["memory"] + "/memory.limit_in_bytes", MEMORY)
        else:
            write(at["cpu"] + "/cpu.max", "%d %d" % (QUOTA_US, PERIOD_US))
            write(at["memory"] + "/memory.max", MEMORY)
        write(at["pids"] + "/pids.max", PIDS)
        subprocess.run(["/usr/bin/python3", "-c", EATER, str(HELD), *own], check=True)
        stat = at["cpu"] + "/cpu.stat"
        if version == 1:
            cpu_ns, throttled_ns = int(read(at["cpuacct"] + "/cpuacct.usage")), keyed(stat, "throttled_time")
        else:
            cpu_ns, throttled_ns = keyed(stat, "usage_usec") * 1000, keyed(stat, "throttled_usec") * 1000
        facts = {"cpu_ns": cpu_ns, "throttled_ns": throttled_ns, "throttled": keyed(stat, "nr_throttled")}
        time.sleep(1.1)
    finally:
        for folder in own:
            os.rmdir(folder)
    limits = {"held": HELD, "memory": MEMORY, "quota_ns": QUOTA_US * 1000, "period_ns": PERIOD_US * 1000, "pids": PIDS}
    print(json.dumps(dict(facts, path="/" + name, version=version, **limits)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
