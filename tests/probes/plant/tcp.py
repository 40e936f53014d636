"""Plants 23 connections over IPv4 and 23 over IPv6, each with its own number of bytes; 23 refused, 23 given up.

And 23 over a link that takes DELAY_NS each way: in a network namespace of its own, this process reads what is sent
through a tun(4) device, and gives it back that much later as if the other end, whose address is the next one, had sent
it. So both ends are here, and what is known of each is how long it must have taken at least, and did at most.
Over one that carries nothing, 23 that time out; and 23 each that find no port left, and no route.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import time

PLANTED = 23
DELAY_NS = 10_000_000
NEAR, FAR = "203.0.113.1", "203.0.113.2"  # tcp_loss plants in another net
SILENT = 9  # the port of what cannot be reached
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x1, 0x1000
REPLY = 1000
HURRY = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


def serve(listener):
    while True:
        peer, _ = listener.accept()
        with peer:
            try:
                if peer.recv(1 << 16):
                    peer.sendall(b"y" * REPLY)
                    peer.recv(1)
            except ConnectionError:
                pass


def server(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.bind((host, 0))
    listener.listen(64)
    pid = os.fork()
    if pid == 0:
        try:
            serve(listener)
        finally:
            os._exit(1)
    port = listener.getsockname()[1]
    listener.close()
    return port, pid


def talk(host, port, count, hurry=False):
    """One connection that sends so many bytes, takes the reply and closes first; its own port."""
    with socket.create_connection((host, port), 10) as end:
        if hurry:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HURRY)
        end.sendall(b"x" * count)
        left = REPLY
        while left:
            left -= len(end.recv(left))
        return end.getsockname()[1]


def refused():
    with socket.socket() as silent:  # bound meanwhile, so that nobody else comes to listen there
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        for _ in range(PLANTED):
            with socket.socket() as end:
                if end.connect_ex(("127.0.0.1", port)) != 111:
                    raise SystemExit("somebody listens on port %d" % port)
        return port


def unshare_network():
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
        raise OSError(ctypes.get_errno(), "unshare")


def link():
    """The far end, in a network namespace of its own, of a link to FAR."""
    unshare_network()
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"slow", IFF_TUN | IFF_NO_PI))
    for command in ("addr add %s/24 dev slow" % NEAR, "link set slow up"):
        subprocess.run(["ip", *command.split()], check=True)
    return tun


def slow_link():
    """Carries packets until it is killed; its process id."""
    tun = link()
    pid = os.fork()
    if pid:
        os.close(tun)
        return pid
    came, go = os.pipe()
    if os.fork() == 0:
        while True:  # one reads, so that none waits for another's delay
            packet = os.read(tun, 65535)
            os.write(go, struct.pack("<QH", time.monotonic_ns(), len(packet)) + packet)
    while True:
        at, length = struct.unpack("<QH", os.read(came, 10))
        packet = os.read(came, length)
        time.sleep(max(0, at + DELAY_NS - time.monotonic_ns()) / 1e9)
        if packet[0] >> 4 == 4:  # its checksums stay right, as they are sums
            os.write(tun, packet[:12] + packet[16:20] + packet[12:16] + packet[20:])


def apart(act):
    """What this function returns in a process of its own, which ends with all that it started."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        with open(told) as said:
            facts = json.load(said)
        os.waitpid(pid, 0)
        return facts
    try:
        os.setsid()
        os.write(tell, json.dumps(act()).encode())
        os.close(tell)
    finally:
        os.killpg(0, signal.SIGKILL)


def far_away():
    """23 connections over such a link: what each took, as this end saw it, by its port."""
    slow_link()
    port, _ = server(NEAR)
    took = {}
    for _ in range(PLANTED):
        began = time.monotonic_ns()
        with socket.create_connection((FAR, port), 10) as end:
            connected = time.monotonic_ns()
            end.sendall(b"x")
            left = REPLY
            while left:
                left -= len(end.recv(left))
            answered = time.monotonic_ns()
            end.shutdown(socket.SHUT_WR)
            end.recv(1)  # until the other end has closed
            ended = time.monotonic_ns()
            took[end.getsockname()[1]] = [connected - began, answered - connected, ended - began]
    time.sleep(6 * DELAY_NS / 1e9)  # until the last one has ended at the other end, too
    return {"port": port, "took": took, "delay_ns": DELAY_NS, "client": os.getpid()}


def unanswered():
    """23 connections at once over a link whose other end says nothing: how long and how often each was tried."""
    tun = link()
    began, took, waiting = {}, {}, select.poll()
    ends = [socket.socket() for _ in range(PLANTED)]
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        at = time.monotonic_ns()
        end.connect_ex((FAR, SILENT))
        began[end.fileno()] = at, end.getsockname()[1]
        waiting.register(end)
    while began:
        for fd, _ in waiting.poll():
            waiting.unregister(fd)
            at, port = began.pop(fd)
            took[port] = time.monotonic_ns() - at
    errors = [end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for end in ends]
    if errors != [errno.ETIMEDOUT] * PLANTED:
        raise SystemExit("they ended with %s" % errors)
    syns = dict.fromkeys(took, 0)
    os.set_blocking(tun, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            packet = os.read(tun, 65535)
            if packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_TCP:
                syns[int.from_bytes(packet[20:22], "big")] += 1
    return {"client": os.getpid(), "ip": FAR, "port": SILENT, "took": took, "syns": syns}


def nowhere():
    """23 connects for which no port is left, and 23 to where there is no route."""
    unshare_network()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as stream:
        stream.write("40000 40000")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", SILENT))
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            errors = []
            for where in ("127.0.0.1", FAR):
                for _ in range(PLANTED):
                    with socket.socket() as end:
                        errors.append(end.connect_ex((where, SILENT)))
    if errors != [errno.EADDRNOTAVAIL] * PLANTED + [errno.ENETUNREACH] * PLANTED:
        raise SystemExit("they ended with %s" % errors)
    return {"client": os.getpid(), "port": SILENT, "no_route": FAR}


facts = {"client": os.getpid(), "refused": refused(), "reply": REPLY}
facts.update((act.__name__, apart(act)) for act in (far_away, unanswered, nowhere))
for name, host, hurry in (("ipv4", "127.0.0.1", False), ("ipv6", "::1", False), ("given_up", "127.0.0.1", True)):
    port, pid = server(host)
    sent = {talk(host, port, 100 + i, hurry): 100 + i for i in range(PLANTED)}
    time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    facts[name] = {"host": host, "port": port, "server": pid, "sent": sent}
print(json.dumps(facts))
