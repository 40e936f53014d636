"""23 quick calls, and 23 that wait for 20 ms and then fail."""

import json
import os
import signal
import time

COUNT, WAIT_S = 23, 0.02
for _ in range(COUNT):
    os.getppid()
before = time.monotonic_ns()
for _ in range(COUNT):
    signal.sigtimedwait([signal.SIGUSR1], WAIT_S)
took = time.monotonic_ns() - before
print(json.dumps({"pid": os.getpid(), "count": COUNT, "wait_ns": int(WAIT_S * 1e9), "took_ns": took}))
