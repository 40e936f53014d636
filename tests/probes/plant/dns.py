"""Questions to a name server of its own, in a network namespace of its own: slow, unknown, dropped and lost ones."""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import threading
import time

PLANTED = 23
SLOW_S = 0.3
LIBC = ctypes.CDLL(None, use_errno=True)


def own_network():
    if LIBC.unshare(0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as end:
        fcntl.ioctl(end, 0x8914, struct.pack("16sH22x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def question(number, name, kind=1):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def serve(end):
    """Answers by the first letters of the name: slow, none (there is no such name), drop, or at once."""
    while True:
        asked, peer = end.recvfrom(512)
        name = asked[13:]
        if name.startswith(b"drop"):
            continue
        code, answers = (3, 0) if name.startswith(b"none") else (0, 1)
        cut = 0x0200 if name.startswith(b"long") else 0
        head = asked[:2] + struct.pack("!5H", 0x8180 | cut | code, 1, answers, 0, 0)
        record = b"\xc0\x0c" + struct.pack("!2HIH", 1, 1, 60, 4) + b"\x7f\0\0\1" if answers else b""
        answer = head + asked[12:] + record
        if name.startswith(b"slow"):
            threading.Timer(SLOW_S, end.sendto, (answer, peer)).start()
        else:
            end.sendto(answer, peer)


def names(what, count=PLANTED):
    return [f"{what}-{i}.planted.example" for i in range(count)]


def udp(host=None):
    end = socket.socket(socket.AF_INET6 if host and ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    end.settimeout(5)
    if host:
        end.connect((host, 53))
    return end


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_bytes", ctypes.c_uint), ("iov", ctypes.POINTER(Iovec)),
        ("parts", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_bytes", ctypes.c_size_t),
        ("flags", ctypes.c_size_t), ("length", ctypes.c_size_t),
    ]  # fmt: skip


def messages(buffers):
    out = (Message * len(buffers))()
    for i, buffer in enumerate(buffers):
        out[i].iov, out[i].parts = ctypes.pointer(Iovec(ctypes.addressof(buffer), len(buffer))), 1
    return out


own_network()
V4, V6, NOBODY = "127.0.0.1", "::1", "127.0.0.2"
for host in (V4, V6):
    end = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    end.bind((host, 53))
    threading.Thread(target=serve, args=(end,), daemon=True).start()

stuck = udp(V4)
for i, name in enumerate(names("drop-stuck")):
    stuck.send(question(900 + i, name))

slow = [udp(V4) for _ in range(PLANTED)]
for i, end in enumerate(slow):
    end.send(question(i, names("slow")[i]))
for end in slow:
    end.recv(512)
    end.close()

unknown = udp(V6)
for i, name in enumerate(names("none")):
    unknown.sendmsg([question(100 + i, name, 28)])
    unknown.recvmsg(512)
unknown.close()

loose = udp()
for i, name in enumerate(names("loose")):
    loose.sendto(question(200 + i, name), (V4, 53))
    loose.recvfrom(512)
loose.close()

plain = udp(V4)
plain.setblocking(True)
for i, name in enumerate(names("long-plain")):
    os.write(plain.fileno(), question(300 + i, name))
    os.read(plain.fileno(), 512)
plain.close()

both = udp(V4)
both.setblocking(True)
for i, name in enumerate(names("both")):
    out = [ctypes.create_string_buffer(q, len(q)) for q in (question(400 + i, name), question(500 + i, name, 28))]
    back = [ctypes.create_string_buffer(512) for _ in out]
    if LIBC.sendmmsg(both.fileno(), messages(out), 2, 0) != 2:
        raise OSError(ctypes.get_errno(), "sendmmsg")
    left = 2
    while left:
        took = LIBC.recvmmsg(both.fileno(), messages(back[:left]), left, 0x10000, None)  # MSG_WAITFORONE
        if took < 1:
            raise OSError(ctypes.get_errno(), "recvmmsg")
        left -= took
both.close()

dropped = udp(V4)
for i, name in enumerate(names("drop")):
    dropped.send(question(600 + i, name))
time.sleep(0.2)
dropped.close()

again = udp(V4)
again.send(question(700, "drop-then-again.planted.example"))
time.sleep(0.1)
again.send(question(700, "drop-then-again.planted.example"))
time.sleep(0.1)
again.send(question(700, "other.planted.example"))
again.recv(512)
again.close()

for i, name in enumerate(names("nobody")):
    with udp(NOBODY) as end:
        end.send(question(800 + i, name))
        with contextlib.suppress(ConnectionRefusedError):
            end.recv(512)

killed = os.fork()
if killed == 0:
    end = udp(V4)
    end.send(question(850, "drop-killed.planted.example"))
    os.kill(os.getpid(), signal.SIGSTOP)
os.waitpid(killed, os.WUNTRACED)
os.kill(killed, signal.SIGKILL)
os.waitpid(killed, 0)

time.sleep(2.2)  # for two readings of what waits
print(json.dumps({
    "pid": os.getpid(), "killed": killed, "slow_ns": int(SLOW_S * 1e9), "stuck_fd": stuck.fileno(), "names": {
        "slow": names("slow"), "none": names("none"), "loose": names("loose"), "long": names("long-plain"),
        "both": names("both"), "drop": names("drop"), "nobody": names("nobody"), "stuck": names("drop-stuck"),
    },
}), flush=True)  # fmt: skip
os._exit(0)
