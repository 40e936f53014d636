"""Calls that fail in a known way, each 23 times; and calls that a signal breaks off, which are no errors."""

import json
import os
import signal

COUNT = 23


def fails(call, *args):
    """It must."""
    try:
        call(*args)
    except OSError:
        return
    raise SystemExit(f"{call} did not fail")


here, there = os.pipe()
os.set_blocking(here, False)
for _ in range(COUNT):
    fails(os.read, here, 1)  # EAGAIN
    fails(os.close, 9999)  # EBADF
    fails(os.kill, 0x3FFFFFFF, 0)  # ESRCH
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)  # again and again: on a slow node one may come before the pause
for _ in range(COUNT):
    signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
print(json.dumps({
    "pid": os.getpid(), "count": COUNT, "errors": {"read": 11, "close": 9, "kill": 3}, "ordinary": ["read"],
}))  # fmt: skip
