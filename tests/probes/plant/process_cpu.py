"""Plants a process that uses 0.7 s of CPU time, and lives through a reading before and after."""

import json
import os
import time

import own_cgroup

BURNT_S = 0.7
EDGE_S = 3.0  # a reading is made each second, but on a slow node
pid = os.fork()
if pid == 0:
    with open("/proc/self/comm", "w") as stream:
        stream.write("santa-burner")
    time.sleep(EDGE_S)
    until = time.process_time() + BURNT_S
    while time.process_time() < until:
        pass
    time.sleep(EDGE_S)
    os._exit(0)
os.waitpid(pid, 0)
facts = {"planted": pid, "parent": os.getpid(), "burnt_ns": int(BURNT_S * 1e9)}
print(json.dumps(dict(facts, cgroup=own_cgroup.shown(own_cgroup.own())[1])))
