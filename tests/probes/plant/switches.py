"""Plants a process that sleeps 23 times, and tells how often the kernel says that it left its CPU by itself."""

import json
import os
import signal
import time

PLANTED, WAIT_S = 23, 30
ready, told = os.pipe()
pid = os.fork()
if pid == 0:
    for _ in range(PLANTED):
        time.sleep(0.01)
    os.write(told, b".")
    signal.pause()
os.read(ready, 1)
status = {}
deadline = time.monotonic() + WAIT_S
while int(status.get("voluntary_ctxt_switches", 0)) <= PLANTED and time.monotonic() < deadline:
    time.sleep(0.2)  # until it pauses
    with open("/proc/%d/status" % pid) as stream:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in stream)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
left = {name: int(status[name + "_ctxt_switches"]) for name in ("voluntary", "nonvoluntary")}
print(json.dumps({"planted": pid, "sleeps": PLANTED, **left}))
