"""Plants 23 signals that are handled, 23 that are ignored, 23 kills, an alarm of the kernel's, and an abort."""

import json
import os
import signal

PLANTED = 23


def child(do):
    """One that does it, says so, and waits to be killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        do()
        os.write(writing, b".")
        while True:
            signal.pause()
    os.read(reading, 1)
    return pid


def named(name):
    with open("/proc/self/comm", "w") as stream:
        stream.write(name)


handled, tell = os.pipe()


def handle():
    named("santa-handler")
    signal.signal(signal.SIGUSR1, lambda number, frame: os.write(tell, b"."))


def ignore():
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def sender(target, number, wait):
    """A process that sends so many, and waits after each until it is handled where it is told to; its id."""
    pid = os.fork()
    if pid == 0:
        named("santa-sender")
        for _ in range(PLANTED):
            os.kill(target, number)
            if wait:
                os.read(handled, 1)
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return pid


def alarmed():
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()


def forked(do):
    pid = os.fork()
    if pid == 0:
        do()
        os._exit(1)
    os.waitpid(pid, 0)
    return pid


handler = child(handle)
handled_by = sender(handler, signal.SIGUSR1, True)
ignorer = child(ignore)
ignored_by = sender(ignorer, signal.SIGUSR2, False)
end(handler)
end(ignorer)
print(json.dumps({
    "handler": handler,
    "handled_by": handled_by,
    "ignorer": ignorer,
    "ignored_by": ignored_by,
    "killed": [end(child(lambda: None)) for _ in range(PLANTED)],
    "alarmed": forked(alarmed),
    "aborted": forked(os.abort),
    "parent": os.getpid(),
    "uid": os.getuid(),
}))  # fmt: skip
