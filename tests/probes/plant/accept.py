"""Listeners of a server that is slow, one that accepts at once, one that never does, and one whose queue is full."""

import json
import os
import select
import socket
import struct
import time

PLANTED = 23
SLOW_S = 0.3
BACKLOG = PLANTED + 1
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
ended, end = os.pipe()


def listener(host="127.0.0.1", backlog=64):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family)
    made.bind((host, 0))
    made.listen(backlog)
    return made


def server(*listeners, wait_s=0.0):
    """A process that accepts PLANTED connections of each, after it has waited."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        if not wait_s:
            os.write(told, b".")
        kept = []
        for at in listeners:
            if wait_s:
                os.write(told, b".")
                time.sleep(wait_s)
            kept += [at.accept() for _ in range(PLANTED)]
        select.select([ended], [], [])
        os._exit(0)
    os.read(ready, 1)
    return child


def connect(at, count=PLANTED, data=b""):
    out = []
    for _ in range(count):
        out.append(socket.create_connection(at.getsockname()[:2], 5))
        if data:
            out[-1].sendall(data)
    return out


def ports(ends):
    return sorted(end.getsockname()[1] for end in ends)


def hurry(ends):
    for one in ends:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        one.close()


def has(name):
    """Does this kernel know of such a thing?"""
    with open("/sys/kernel/btf/vmlinux", "rb") as stream:
        return name.encode() in stream.read()


facts = {"netns": os.stat("/proc/self/ns/net").st_ino, "slow_ns": int(SLOW_S * 1e9)}
kept, children = [], []

for name, host in (("slow", "127.0.0.1"), ("slow6", "::1")):
    at = listener(host)
    ends = connect(at)
    children.append(server(at, wait_s=SLOW_S))
    facts[name] = {"port": at.getsockname()[1], "pid": children[-1], "ip": host, "peers": ports(ends)}
    kept += [at, *ends]

at = listener()
children.append(server(at))
time.sleep(0.1)
ends = connect(at)
facts["quick"] = {"port": at.getsockname()[1], "peers": ports(ends)}
kept += [at, *ends]

at = listener()
ends = connect(at)
facts["gone"] = {"port": at.getsockname()[1], "peers": ports(ends)}
hurry(ends)
kept.append(at)

stuck = listener()
ends = connect(stuck)
facts["stuck"] = {"port": stuck.getsockname()[1], "peers": ports(ends)}
kept += [stuck, *ends]

# As many connections as the queue may hold, and as many that are made once they have sent something: with the first of
# them the queue is over full, the others are turned away.
full = listener(backlog=BACKLOG)
full.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
first = connect(full, BACKLOG, b"x")
late = connect(full, PLANTED + 1)
late[0].sendall(b"x")
turned_away = late[1:]
for one in turned_away:
    one.sendall(b"x")
time.sleep(2.6)  # the SYN-ACKs are sent again after 1 s; the connections of `stuck` stand there for two readings
facts["full"] = {"port": full.getsockname()[1], "peers": ports(turned_away), "limit": BACKLOG, "length": BACKLOG + 1}
facts["tells_overflow"] = has("SKB_DROP_REASON_TCP_LISTEN_OVERFLOW")
hurry([*first, *late])
full.close()
os.close(end)
for child in children:
    os.waitpid(child, 0)
print(json.dumps(facts))
