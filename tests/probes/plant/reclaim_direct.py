"""Makes a node short of memory, for a moment, by one process: for guests that nobody else needs.

Fills what is free but for 100 MiB, with 300 MiB of page cache that can be dropped; then raises what the kernel keeps
free above what there is, and takes 16 MiB more, until that has cost enough or 160 MiB are taken. Prints what
/proc/vmstat counted meanwhile.
"""

import json
import mmap
import os
import re
import tempfile

MIB = 1 << 20
CACHED, FREE, ABOVE, MOST, MORE, STEPS = 300 * MIB, 100 * MIB, 40 * MIB, 200 * MIB, 16 * MIB, 10
ENOUGH = 2 * 23
MAP_PRIVATE, MAP_ANONYMOUS, MAP_POPULATE = 2, 0x20, 0x8000
KEEPS_FREE = "/proc/sys/vm/min_free_kbytes"


def written(path, value=None):
    """What a file says; or what it said before this was written."""
    with open(path, "r+" if value is not None else "r") as stream:
        said = stream.read()
        if value is not None:
            stream.seek(0)
            stream.write(str(value))
    return said


def counted():
    """How often somebody had to free memory before it got some, and how many pages that freed."""
    found = dict(re.findall(r"^(\w+) (\d+)$", written("/proc/vmstat"), re.MULTILINE))
    stalls = sum(int(value) for name, value in found.items() if name.startswith("allocstall_"))
    return {"stalls": stalls, "freed": int(found["pgsteal_direct"])}


def free_bytes():
    return 1024 * int(re.search(r"^MemFree: +(\d+) kB", written("/proc/meminfo"), re.MULTILINE)[1])


def take(size):
    return mmap.mmap(-1, size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE)


def be_short():
    """In a child: it is the first to be killed, should it go wrong."""
    written("/proc/self/oom_score_adj", 1000)
    written("/proc/self/comm", "santa-taker")
    held = [take(max(0, free_bytes() - FREE))]
    before = counted()["stalls"]
    for _ in range(STEPS):
        if counted()["stalls"] - before >= ENOUGH:
            break
        written(KEEPS_FREE, min(free_bytes() + ABOVE, MOST) // 1024)
        held.append(take(MORE))


def main():
    with tempfile.TemporaryFile(dir="/var/tmp") as stream:
        stream.truncate(CACHED)
        while stream.read(MIB):
            pass
        before, kept_free = counted(), written(KEEPS_FREE)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                be_short()
                code = 0
            finally:
                os._exit(code)
        status = os.waitpid(pid, 0)[1]
        written(KEEPS_FREE, kept_free)
        if status != 0:
            raise SystemExit("the child failed")
        after = counted()
    print(json.dumps({"taker": pid, **{name: after[name] - before[name] for name in after}}))


if __name__ == "__main__":
    main()
