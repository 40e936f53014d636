"""A name server on the cell's loopback, and a shop that asks it for names, through the C library.

    names.py slow|lossy|unknown|busy SECONDS

/etc/resolv.conf and /etc/nsswitch.conf are covered by files of the cell's own, in its mount namespace only.
"""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time

NAMES = [f"{name}.shop.example" for name in ("orders", "payments", "stock", "mail")]
CLIENTS = {"slow": 8, "lossy": 8, "unknown": 4, "busy": 4}
PAUSE_S = {"slow": 0.05, "lossy": 0.05, "unknown": 0.02, "busy": 0.005}
kind, seconds = sys.argv[1], float(sys.argv[2])


def cover(path, text):
    name = os.path.basename(path)
    with open(name, "w") as file:
        file.write(text)
    subprocess.run(["mount", "--bind", name, path], check=True, capture_output=True, text=True)


def answer(asked):
    """An answer to one question: 127.0.0.1 for A, nothing for AAAA, or that there is no such name."""
    end = asked.index(b"\0", 12) + 5
    kind_asked = struct.unpack_from("!H", asked, end - 4)[0]
    code = 3 if kind == "unknown" else 0
    record = b"\xc0\x0c" + struct.pack("!2HIH", 1, 1, 1, 4) + b"\x7f\0\0\1" if code == 0 and kind_asked == 1 else b""
    return asked[:2] + struct.pack("!5H", 0x8180 | code, 1, 1 if record else 0, 0, 0) + asked[12:end] + record


def serve(end):
    number = 0
    while True:
        asked, peer = end.recvfrom(512)
        number += 1
        if kind == "lossy" and number % 3 == 0:
            continue
        if kind == "slow":
            threading.Timer(0.3, end.sendto, (answer(asked), peer)).start()
        else:
            end.sendto(answer(asked), peer)


def shop(number, stop):
    while time.monotonic() < stop:
        with contextlib.suppress(OSError):
            socket.getaddrinfo(NAMES[number % len(NAMES)], 80, type=socket.SOCK_STREAM)
        time.sleep(PAUSE_S[kind])
        number += 1


def main():
    try:
        cover("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
        cover("/etc/nsswitch.conf", "hosts: dns\n")
    except (OSError, subprocess.CalledProcessError) as exc:
        said = exc.stderr.strip() if isinstance(exc, subprocess.CalledProcessError) else exc
        print(f"/etc/resolv.conf can't be covered here: {said}", file=sys.stderr)
        return 77
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.bind(("127.0.0.1", 53))
    server = os.fork()
    if server == 0:
        serve(end)
    end.close()
    sys.stdin.read()
    stop = time.monotonic() + seconds
    threads = [threading.Thread(target=shop, args=(i, stop)) for i in range(CLIENTS[kind])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.kill(server, 9)
    os.waitpid(server, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
