"""A process in a cgroup that holds no more processes, which tries to fork 23 times. Needs the pids controller.

Prints one JSON line: {"tgid", "failures", "cgroup", "controller"}.
"""

import errno
import json
import os
import subprocess
import sys

ROUNDS = 23


def folder_of(controller):
    """Where cgroups with this controller are made: v1's hierarchy, or v2's; and which it is."""
    with open("/proc/self/mountinfo") as stream:
        mounts = [line.partition(" - ")[::2] for line in stream]
    for before, after in mounts:
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup" and controller in options.strip().split(","):
            return before.split(" ")[4], 1
    for before, after in mounts:
        if after.startswith("cgroup2 "):
            with open(before.split(" ")[4] + "/cgroup.subtree_control") as stream:
                if controller in stream.read().split():
                    return before.split(" ")[4], 2
    return None, 0


FORKER = """
import json, os, sys
with open(sys.argv[1] + "/cgroup.procs", "w") as stream:
    stream.write(str(os.getpid()))
failures = []
for _ in range(int(sys.argv[2])):
    try:
        if os.fork() == 0:
            os._exit(0)
        os.wait()
    except OSError as exc:
        failures.append(exc.errno)
print(json.dumps({"tgid": os.getpid(), "failures": failures}))
"""


def main():
    root, version = folder_of("pids")
    if root is None:
        return "no cgroup of the pids controller can be made here"
    folder = "%s/santabpf-plant-%d" % (root, os.getpid())
    os.mkdir(folder)
    try:
        with open(folder + "/pids.max", "w") as stream:
            stream.write("1")
        command = ["/usr/bin/python3", "-c", FORKER, folder, str(ROUNDS)]
        facts = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    finally:
        os.rmdir(folder)
    assert set(facts["failures"]) <= {errno.EAGAIN}
    print(json.dumps(dict(facts, path="/" + os.path.basename(folder), version=version)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
