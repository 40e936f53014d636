"""Plants 23 refused connections and 23 processes, then 23 connections of IPv6 that stay, and tells what the kernel
counted, and between which times of UTC."""

import json
import os
import socket
import time

PLANTED = 23


def counted():
    with open("/proc/net/snmp") as stream:
        names, values = [line.split()[1:] for line in stream if line.startswith("Tcp:")]
    with open("/proc/stat") as stream:
        forks = next(int(line.split()[1]) for line in stream if line.startswith("processes "))
    tcp = {name: int(value) for name, value in zip(names, values)}  # noqa: B905
    return {"tcp_attempt_fails": tcp["AttemptFails"], "tcp_resets_sent": tcp["OutRsts"], "forks": forks}


with socket.socket() as end:
    end.bind(("127.0.0.1", 0))
    port = end.getsockname()[1]
time.sleep(1.2 - time.time() % 1)
from_ns, before = time.time_ns(), counted()
for _ in range(PLANTED):
    with socket.socket() as end:
        end.connect_ex(("127.0.0.1", port))
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
after, to_ns = counted(), time.time_ns()
listener = socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=PLANTED)
kept = [socket.create_connection(listener.getsockname()[:2]) for _ in range(PLANTED)]
made_ns = time.time_ns()
time.sleep(2.2 - time.time() % 1)  # on a slow machine the second may be read late
told = {"from_ns": from_ns, "to_ns": to_ns, "made_ns": made_ns, "told_ns": time.time_ns()}
at_least = {name: after[name] - before[name] for name in before}
print(json.dumps({**told, "at_least": at_least, "sockets6": 2 * PLANTED + 1}))
