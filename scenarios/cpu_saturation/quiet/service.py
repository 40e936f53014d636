"""Services that wake up for requests, beside hogs that never sleep: service.py SECONDS SERVICES EVERY_MS HOGS NICE

Each service gets a request every EVERY_MS, and needs 5 ms of CPU time for it. The hogs run at that niceness. Says how
long requests took, when it is over.
"""

import os
import sys
import time

seconds, services, every_ms, hogs, nice = map(int, sys.argv[1:])


def become(name):
    with open("/proc/self/comm", "w") as comm:
        comm.write(name)


def compute(cpu_s):
    end = time.thread_time() + cpu_s
    while time.thread_time() < end:
        pass


def serve(number, end):
    become("service")
    took = []
    due = time.monotonic() + number * every_ms / 1e3 / services
    while time.monotonic() < end:
        time.sleep(max(0.001, due - time.monotonic()))
        due = max(due, time.monotonic() - 0.001)
        compute(0.005)
        took.append(time.monotonic() - due)
        due += every_ms / 1e3
    took.sort()
    if took:
        half, longest = took[len(took) // 2] * 1e3, took[-1] * 1e3
        print(f"service {number}: {len(took)} requests, half in {half:.0f} ms, all in {longest:.0f} ms", flush=True)


def hog(end):
    os.nice(nice)
    become("hog")
    while time.monotonic() < end:
        compute(0.2)


def child(work, *args):
    pid = os.fork()
    if pid == 0:
        work(*args)
        os._exit(0)
    return pid


sys.stdin.read()
end = time.monotonic() + seconds
pids = [child(hog, end) for _ in range(hogs)] + [child(serve, number + 1, end) for number in range(services)]
for pid in pids:
    os.waitpid(pid, 0)
