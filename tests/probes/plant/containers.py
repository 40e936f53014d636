"""Processes in cgroups that are named as a kubelet and containerd name them, and that are gone before anybody looks.

Makes ROUNDS cgroups of a pod's container, one after the other, each with one process that ends in it; then the cgroup
is removed. Prints one JSON line: {"path", "pod_id", "containers": [{"id", "tgid"}]}.
"""

import json
import os
import sys

ROUNDS = 23
POD = "12345678-1234-4321-8765-%012x"


def mounted():
    """The folder of the hierarchy that names processes: v2, else v1's memory or pids."""
    found = {}
    with open("/proc/self/mountinfo") as stream:
        for line in stream:
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            for name in options.strip().split(",") if kind == "cgroup" else ["v2"] if kind == "cgroup2" else []:
                found.setdefault(name, before.split(" ")[4])
    return next(found[name] for name in ("memory", "pids", "v2") if name in found)


def main():
    number = os.getpid()
    pod_id = POD % number
    top = "kubepods-plant%d.slice" % number
    path = "/%s/%s-burstable-pod%s.slice" % (top, top[:-6], pod_id.replace("-", "_"))
    root, made = mounted(), []
    os.mkdir(root + "/" + top)
    os.mkdir(root + path)
    try:
        for at in range(ROUNDS):
            container = "%064x" % (number << 64 | at)
            folder = "%s%s/cri-containerd-%s.scope" % (root, path, container)
            os.mkdir(folder)
            tgid = os.fork()
            if tgid == 0:
                with open(folder + "/cgroup.procs", "w") as stream:
                    stream.write(str(os.getpid()))
                os.execv("/bin/true", ["true", "planted", str(at)])
            os.waitpid(tgid, 0)
            os.rmdir(folder)
            made.append({"id": container, "tgid": tgid})
    finally:
        os.rmdir(root + path)
        os.rmdir(root + "/" + top)
    print(json.dumps({"path": path, "pod_id": pod_id, "containers": made}))


if __name__ == "__main__":
    sys.exit(main())
