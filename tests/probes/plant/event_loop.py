"""A loop with 23 ticks between 24 polls: one computes, one is blocked, the others are short."""

import json
import os
import select
import threading
import time

TICKS, LONG_S = 23, 0.3
COMPUTES, BLOCKED = 7, 13
lone = {}


def poll_once():
    """A thread that polls only once has no tick."""
    lone["tid"] = threading.get_native_id()
    select.poll().poll(1)
    time.sleep(0.3)


poller, epoll = select.poll(), select.epoll()
ways = [lambda: poller.poll(0), lambda: epoll.poll(0), lambda: select.select([], [], [], 0)]
for i in range(TICKS):
    ways[i % 3]()
    if i == COMPUTES:
        until = time.thread_time() + LONG_S
        while time.thread_time() < until:
            pass
    elif i == BLOCKED:
        threading.Event().wait(LONG_S)  # by futex: time.sleep() of old Pythons is a select
ways[0]()
thread = threading.Thread(target=poll_once)
thread.start()
thread.join()
print(json.dumps({"pid": os.getpid(), "lone": lone["tid"], "ticks": TICKS, "long_ns": int(LONG_S * 1e9)}))
