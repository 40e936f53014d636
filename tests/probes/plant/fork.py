"""Plants 23 processes, every second one forked by a thread that is not the first."""

import json
import os
import threading

PLANTED = 23
planted = {}


def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    planted[pid] = threading.get_native_id()


for number in range(PLANTED):
    if number % 2:
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
    else:
        fork()
print(json.dumps({"planted": planted, "parent": os.getpid(), "uid": os.getuid()}))
