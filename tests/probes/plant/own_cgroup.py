"""Control groups for plants: the one they are in, and new ones with a limit. Standard library only, version 1 and 2."""

import contextlib
import os
import time

ROOT = "/sys/fs/cgroup"


def lines():
    with open("/proc/self/cgroup") as stream:
        return [line.rstrip("\n").split(":", 2) for line in stream]


def named_by():
    """The version 1 controller whose groups name processes in recordings; '' where version 2 does."""
    there = {name for _, names, _ in lines() for name in names.split(",")}
    return next((name for name in ("memory", "pids") if name in there), "")


def own(controller=None):
    """Folder of the group that this process is in, in the tree of that controller (by default, the naming one)."""
    wanted = named_by() if controller is None else controller
    path = next(path for _, names, path in lines() if wanted in names.split(","))
    folder = os.path.join(ROOT, wanted, path.lstrip("/")) if wanted else ROOT + path
    return (folder if os.path.isdir(folder) else os.path.join(ROOT, wanted)).rstrip("/")


def shown(folder, controller=None):
    """(cgroup_id, cgroup) as recordings have them: the kernfs id, and the path from the root of the hierarchy.

    Of which controller's hierarchy, matters in version 1; by default of the one that names processes.
    """
    root = os.path.join(ROOT, named_by() if controller is None else controller).rstrip("/")
    return os.stat(folder).st_ino, folder[len(root) :] or "/"


@contextlib.contextmanager
def made(controller, name=None):
    """A new, empty group of that controller, removed at the end: below ours in version 1, below the root in 2."""
    is_v1 = any(controller in names.split(",") for _, names, _ in lines())
    parent = own(controller) if is_v1 else ROOT
    if not is_v1:
        with open(ROOT + "/cgroup.subtree_control", "w") as stream:
            stream.write("+" + controller)
    folder = "%s/%s" % (parent, name or "santa-%s-%d" % (controller, os.getpid()))
    os.mkdir(folder)
    try:
        yield folder, is_v1
    finally:
        deadline = time.monotonic() + 10
        while True:
            try:
                os.rmdir(folder)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def put(folder, name, value):
    """Write a value into one of a group's files."""
    with open(folder + "/" + name, "w") as stream:
        stream.write(str(value))
