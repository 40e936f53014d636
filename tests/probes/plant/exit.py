"""Plants 23 ends: even ones by exit status, odd ones by SIGKILL; one of four threads that burn; one that lives."""

import json
import os
import signal
import threading
import time

PLANTED = 23
BURNT_S = 0.06


def fork(do):
    """A child that does it and exits with its result."""
    child = os.fork()
    if child == 0:
        os._exit(do() or 0)
    return child


def end(how):
    if how % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return how


def burn():
    until = time.thread_time() + BURNT_S
    while time.thread_time() < until:
        pass


def burn_in_four():
    threads = [threading.Thread(target=burn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


planted = {}
for i in range(PLANTED):
    pid = fork(lambda i=i: end(i))
    os.waitpid(pid, 0)
    planted[pid] = i
burner = fork(burn_in_four)
used = os.wait4(burner, 0)[2]
began = time.monotonic_ns()
liver = fork(lambda: time.sleep(0.3))
os.waitpid(liver, 0)
print(json.dumps({
    "planted": planted,
    "parent": os.getpid(),
    "burner": burner,
    "at_least_ns": int(4 * BURNT_S * 1e9),
    "burnt_ns": int((used.ru_utime + used.ru_stime) * 1e9),
    "liver": liver,
    "lived_ns": time.monotonic_ns() - began,
}))  # fmt: skip
