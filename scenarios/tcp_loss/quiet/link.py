"""Two ends of a link, each in a network namespace of its own, and clients that ask a server over it.

    link.py lossy|gone|slow SECONDS

Both ends are in the cell: this process holds one, a child of it the other. The link is a pair of veth; tc drops packets
at random by a classic BPF filter (the module netem is not everywhere), or lets them through slowly (tbf).
"""

import contextlib
import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

HERE, THERE = "198.51.100.1", "198.51.100.2"
SHOP = 8080
CLIENTS = 6
ANSWER = b"x" * 30_000
kind, seconds = sys.argv[1], float(sys.argv[2])


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def far_end():
    """A child in another network namespace; the prefix of commands that run there."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
            os._exit(1)
        os.write(told, b".")
        os.close(told)
        os._exit(serve())
    os.close(told)
    if not os.read(ready, 1):
        sys.exit("no network namespace for the far end")
    return child, ("nsenter", "-t", str(child), "-n")


def answer(end):
    with end:
        try:
            while asked := end.recv(100):
                if asked.startswith(b"all"):
                    stop = time.monotonic() + seconds
                    while time.monotonic() < stop:
                        end.sendall(ANSWER)
                    return
                end.sendall(ANSWER)
                if asked.startswith(b"once"):
                    return
        except OSError:
            return


def serve():
    """The shop, which answers each question with 30 kB; `all` gets as much as the link takes."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", SHOP))
    listener.listen(64)
    while True:
        end, _ = listener.accept()
        threading.Thread(target=answer, args=(end,), daemon=True).start()


def set_up(child, there):
    run("ip", "link", "add", "near0", "gso_max_segs", "1", "type", "veth", "peer", "name", "far0", "gso_max_segs", "1")
    run("ip", "link", "set", "far0", "netns", str(child))
    run("ip", "addr", "add", f"{HERE}/24", "dev", "near0")
    run("ip", "link", "set", "near0", "up")
    for command in (f"addr add {THERE}/24 dev far0", "link set far0 up", "link set lo up"):
        run(*there, "ip", *command.split())
    for prefix, device, other, address in ((there, "far0", (), HERE), ((), "near0", there, THERE)):
        mac = json.loads(run(*other, "ip", "-j", "link", "show", "near0" if device == "far0" else "far0"))[0]["address"]
        run(*prefix, "ip", "neigh", "replace", address, "lladdr", mac, "dev", device, "nud", "permanent")


def spoil(there):
    """Make the link what it is to be, at both ends."""
    for prefix, device in (((), "near0"), (there, "far0")):
        if kind == "slow":
            run(*prefix, *f"tc qdisc add dev {device} root tbf rate 20mbit burst 16kb limit 4mb".split())
            continue
        share = {"lossy": 0.05, "gone": 1.0}[kind]
        # A random number of 32 bits; up to `least`, the packet is dropped (2), else it goes on (0).
        least = min(int(share * 2**32), 2**32 - 1)
        keep = "6 0 0 0" if kind == "lossy" else "6 0 0 2"
        code = f"4,32 0 0 4294963256,53 0 1 {least},{keep},6 0 0 2"
        run(*prefix, *f"tc qdisc add dev {device} clsact".split())
        run(*prefix, *f"tc filter add dev {device} ingress bpf da bytecode".split(), code)


def read_answer(end):
    left = len(ANSWER)
    while left:
        got = end.recv(min(left, 65536))
        if not got:
            raise OSError("cut off")
        left -= len(got)


def ask(stop):
    """A connection a question."""
    while (left := stop - time.monotonic()) > 0:
        with contextlib.suppress(OSError), socket.create_connection((THERE, SHOP), min(left, 5)) as end:
            end.settimeout(max(stop - time.monotonic(), 0.1))
            end.sendall(b"once")
            read_answer(end)
        time.sleep(0.05)


def keep_asking(stop):
    """One connection for all questions."""
    try:
        with socket.create_connection((THERE, SHOP), 5) as end:
            end.settimeout(max(stop - time.monotonic(), 0.1))
            while time.monotonic() < stop:
                end.sendall(b"more")
                read_answer(end)
                time.sleep(0.1)
    except OSError:
        return


def fetch_all(stop):
    try:
        with socket.create_connection((THERE, SHOP), 5) as end:
            end.settimeout(max(stop - time.monotonic(), 0.1))
            end.sendall(b"all")
            while time.monotonic() < stop and end.recv(65536):
                pass
    except OSError:
        return


def main():
    missing = [name for name in ("ip", "tc", "nsenter") if not shutil.which(name)]
    if missing:
        print(f"{missing[0]} is not installed here", file=sys.stderr)
        return 77
    child, there = far_end()
    try:
        set_up(child, there)
    except subprocess.CalledProcessError as exc:
        print(f"no link of two ends can be made here: {exc.stderr.strip()}", file=sys.stderr)
        return 77
    sys.stdin.read()
    spoil(there)
    stop = time.monotonic() + seconds
    work = [ask] * CLIENTS + [keep_asking] * 2 + ([fetch_all] if kind == "slow" else [])
    threads = [threading.Thread(target=task, args=(stop,), daemon=True) for task in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 8)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
