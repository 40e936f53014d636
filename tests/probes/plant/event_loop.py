"""A loop with 23 ticks between 24 polls: one computes, in one pipes get something while it is blocked."""

import json
import os
import select
import threading
import time

TICKS, LONG_S = 23, 0.3
COMPUTES, BLOCKED = 7, 13
PIPES = 5
pipes = [os.pipe() for _ in range(PIPES)]
lone = {}


def poll_once():
    """A thread that polls only once has no tick."""
    lone["tid"] = threading.get_native_id()
    select.poll().poll(1)
    time.sleep(0.3)


def select_once():
    """All that is ready is read, so that it is so once."""
    for end in select.select([end for end, _ in pipes], [], [], 0)[0]:
        os.read(end, 1)


poller, epoll = select.poll(), select.epoll()
ways = [lambda: poller.poll(0), lambda: epoll.poll(0), select_once]
for i in range(TICKS):
    ways[i % 3]()
    if i == COMPUTES:
        until = time.thread_time() + LONG_S
        while time.thread_time() < until:
            pass
    elif i == BLOCKED:
        threading.Event().wait(LONG_S)  # by futex: time.sleep() of old Pythons is a select
        for _, end in pipes:
            os.write(end, b"x")
ways[0]()
thread = threading.Thread(target=poll_once)
thread.start()
thread.join()
facts = {"pid": os.getpid(), "lone": lone["tid"], "ticks": TICKS, "ready": PIPES, "long_ns": int(LONG_S * 1e9)}
print(json.dumps(facts))
