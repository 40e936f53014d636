"""Plants 23 waits of 50 ms and more: a real-time thread takes the CPU on which another one runs, 23 times."""

import json
import os
import time

PLANTED = 23
TAKEN_S = 0.05

cpu = max(os.sched_getaffinity(0))
os.sched_setaffinity(0, {cpu})
named, name = os.pipe()
victim = os.fork()
if victim == 0:
    with open("/proc/self/comm", "w") as stream:
        stream.write("santa-victim")
    os.nice(-20)  # so that nobody else comes first
    os.write(name, b"!")
    while True:
        pass
os.read(named, 1)  # its waits are told by its name
hog = os.fork()
if hog == 0:
    with open("/proc/self/comm", "w") as stream:
        stream.write("santa-hog")
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    planted = 0
    while planted < PLANTED:
        time.sleep(0.05)
        begun, used = time.monotonic(), time.thread_time()
        while time.monotonic() < begun + TAKEN_S:
            pass
        # a kernel may take the CPU from a real-time thread for a while (its deadline server): no whole wait then
        planted += time.thread_time() - used > 0.97 * TAKEN_S
    os._exit(0)
_, status = os.waitpid(hog, 0)
os.kill(victim, 9)
os.waitid(os.P_PID, victim, os.WEXITED | os.WNOWAIT)  # it waits for nothing any more, but is still there
with open("/proc/%d/schedstat" % victim) as stream:
    waited_ns = int(stream.read().split()[1])
os.waitpid(victim, 0)
if status:
    raise SystemExit("no thread may be a real-time one here")
facts = {"victim": victim, "hog": hog, "cpu": cpu, "nice": -20, "waited_ns": waited_ns}
print(json.dumps(facts | {"at_least_ns": int(TAKEN_S * 1e9)}))
