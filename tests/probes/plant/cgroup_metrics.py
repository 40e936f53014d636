"""A cgroup with limits whose one process holds 40 MiB, writes 23 pages to a loop device and reads them back, reads more
of a file, twice, than fits beside what it holds, and wants more CPU than it may have, for over four seconds.

Prints one JSON line: {"path", "version", and what the cgroup's own files said at the end: null where there is none}.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

HELD, MEMORY, QUOTA_US, PERIOD_US, PIDS, PLANTED, FILE = 40 << 20, 64 << 20, 20000, 100000, 5, 23, 40 << 20
EATER = """
import mmap, os, sys, time
held, planted, disk, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
for group in sys.argv[5:]:
    with open(group + "/cgroup.procs", "w") as stream:
        stream.write(str(os.getpid()))
memory = bytearray(held)
for at in range(0, len(memory), 4096):
    memory[at] = 1
begun = time.monotonic()

def compute(until_s):
    while time.monotonic() < begun + until_s:
        pass

compute(2.2)  # the first second that sees it is only what the next is compared with
fd, page = os.open(disk, os.O_RDWR | os.O_DIRECT), mmap.mmap(-1, 4096)
for at in range(planted):
    os.pwrite(fd, page, 4096 * at)
for at in range(planted):
    os.preadv(fd, [page], 4096 * at)
for _ in range(2):
    with open(file, "rb", buffering=0) as stream:
        while stream.read(1 << 20):
            pass
compute(4.5)
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
        return {controller: v1[controller] for controller in (*wanted, "blkio") if controller in v1}, 1
    if v2:
        with open(os.path.dirname(v2) + "/cgroup.subtree_control") as stream:
            if {"cpu", "memory", "pids"} <= set(stream.read().split()):
                return dict.fromkeys((*wanted, "blkio"), v2), 2
    return {}, 0


def write(path, value):
    with open(path, "w") as stream:
        stream.write(str(value))


def read(path):
    with open(path) as stream:
        return stream.read()


def keyed(path, *keys):
    """The number behind the first of these that is there."""
    told = dict(line.split()[:2] for line in read(path).splitlines())
    return next(int(told[key]) for key in keys if key in told)


def told_by_v1(at):
    stat, memory = at["cpu"] + "/cpu.stat", at["memory"] + "/memory.stat"
    told = {
        "cpu_ns": int(read(at["cpuacct"] + "/cpuacct.usage")),
        "cpu_user_ns": int(read(at["cpuacct"] + "/cpuacct.usage_user")),
        "cpu_system_ns": int(read(at["cpuacct"] + "/cpuacct.usage_sys")),
        "throttled_ns": keyed(stat, "throttled_time"), "memory_limit_hits": int(read(at["memory"] + "/memory.failcnt")),
        "memory_refaults": keyed(memory, "total_workingset_refault_file", "total_workingset_refault"), "ooms": None,
    }  # fmt: skip
    for name, file, kind in (("read_bytes", "io_service_bytes", "Read"), ("write_bytes", "io_service_bytes", "Write"),
                             ("reads", "io_serviced", "Read"), ("writes", "io_serviced", "Write")):  # fmt: skip
        path = at.get("blkio", "") + "/blkio.throttle." + file + "_recursive"
        lines = [line.split() for line in read(path).splitlines()] if os.path.exists(path) else None
        told[name] = None if lines is None else sum(int(line[2]) for line in lines if line[1] == kind)
    if "blkio" in at and told["reads"] == 0:
        raise SystemExit("a disk on which there is a limit must be counted")
    return told


def told_by_v2(at):
    folder = at["cpu"]
    stat, memory, events = folder + "/cpu.stat", folder + "/memory.stat", folder + "/memory.events"
    told = {
        "cpu_ns": keyed(stat, "usage_usec") * 1000, "cpu_user_ns": keyed(stat, "user_usec") * 1000,
        "cpu_system_ns": keyed(stat, "system_usec") * 1000, "throttled_ns": keyed(stat, "throttled_usec") * 1000,
        "memory_limit_hits": keyed(events, "max"), "ooms": keyed(events, "oom"),
        "memory_refaults": keyed(memory, "workingset_refault_file", "workingset_refault"),
    }  # fmt: skip
    is_there = os.path.exists(folder + "/io.stat")
    fields = read(folder + "/io.stat").split() if is_there else []
    for name, key in (("read_bytes", "rbytes="), ("write_bytes", "wbytes="), ("reads", "rios="), ("writes", "wios=")):
        told[name] = sum(int(f[len(key) :]) for f in fields if f.startswith(key)) if is_there else None
    return told


def pressures(folder):
    told = {}
    for name in ("cpu_some", "memory_some", "memory_full", "io_some", "io_full"):
        resource, _, kind = name.partition("_")
        path, total = folder + "/" + resource + ".pressure", None
        if os.path.exists(path):
            (line,) = [line for line in read(path).splitlines() if line.startswith(kind)]
            total = int(line.rpartition("=")[2]) * 1000
        told[f"pressure_{name}_ns"] = total
    return told


@contextlib.contextmanager
def loop_device(image):
    """A disk of 1 MiB that lies in this file."""
    with open(image, "wb") as stream:
        stream.truncate(1 << 20)
    disk = subprocess.check_output(["losetup", "--find", "--show", image], text=True).strip()
    try:
        yield disk
    finally:
        subprocess.run(["losetup", "--detach", disk], check=True)


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
        with tempfile.TemporaryDirectory(dir="/var/tmp") as files, contextlib.ExitStack() as stack:
            with open(files + "/read", "wb") as stream:
                stream.write(bytes(FILE))
                os.fsync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # so that it is read from the disk
            disk = stack.enter_context(loop_device(files + "/image"))
            if "blkio" in at and version == 1:  # newer kernels count only where there is a limit
                number = os.stat(disk).st_rdev
                limit = "%d:%d %d" % (number >> 8, number & 255, 1 << 30)
                write(at["blkio"] + "/blkio.throttle.write_bps_device", limit)
            command = ["/usr/bin/python3", "-c", EATER, str(HELD), str(PLANTED), disk, files + "/read", *own]
            subprocess.run(command, check=True)
            counted = told_by_v1(at) if version == 1 else told_by_v2(at)
            counted.update(pressures(at["cpu"]))
            for key, column in (("nr_throttled", "throttled_periods"), ("nr_periods", "periods")):
                counted[column] = keyed(at["cpu"] + "/cpu.stat", key)
            time.sleep(1.1)
    finally:
        for folder in own:
            os.rmdir(folder)
    limits = {"held": HELD, "memory": MEMORY, "quota_ns": QUOTA_US * 1000, "period_ns": PERIOD_US * 1000, "pids": PIDS}
    print(json.dumps(dict(limits, path="/" + name, version=version, counted=counted)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
