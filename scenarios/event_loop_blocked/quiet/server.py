"""A small asyncio server and its clients, for drills: server.py HOW SECONDS, begun when standard input is closed.

HOW is what one request in each 0.7 s does: sleep or compute (in the event loop, where it must not be), threads (the
same, in threads), starved (nothing wrong, but eight others want the only CPU).
"""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time

HOW, SECONDS = sys.argv[1], int(sys.argv[2])
BLOCKED_S, PAUSE_S, STARVED_S = 0.3, 0.4, 0.05


def compute(seconds: float) -> None:
    """Burn so much CPU time of this thread."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))


async def report() -> None:
    if HOW == "sleep":
        time.sleep(BLOCKED_S)
    elif HOW == "compute":
        compute(BLOCKED_S)
    elif HOW == "threads":
        await asyncio.gather(asyncio.to_thread(time.sleep, BLOCKED_S), asyncio.to_thread(compute, BLOCKED_S))
    else:
        compute(STARVED_S)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        if line == b"report\n":
            await report()
        writer.write(b"done\n")
    writer.close()


async def run(listener: socket.socket) -> None:
    server = await asyncio.start_server(serve, sock=listener)
    async with server:
        await server.serve_forever()


def client(address: tuple[str, int], what: bytes, pause: float) -> None:
    """Ask, wait for the answer, pause, until the time is over. Its sockets block; it never polls."""
    end, worst, answers = time.monotonic() + SECONDS, 0.0, 0
    with socket.create_connection(address) as sock, sock.makefile("rwb") as stream:
        while time.monotonic() < end:
            began = time.monotonic()
            stream.write(what)
            stream.flush()
            stream.readline()
            worst, answers = max(worst, time.monotonic() - began), answers + 1
            time.sleep(pause)
    print(f"{what.decode().strip()}: {answers} answers, the slowest after {worst * 1000:.0f} ms", flush=True)


def main() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    if server := os.fork():
        sys.stdin.read()
        program = f"import time; end = time.monotonic() + {SECONDS}\nwhile time.monotonic() < end: pass"
        hog = [sys.executable, "-c", program]
        hogs = [subprocess.Popen(hog) for _ in range(8)] if HOW == "starved" else []
        work = [(b"report\n", PAUSE_S), *[(b"hello\n", 0.02)] * 3]
        threads = [threading.Thread(target=client, args=(listener.getsockname(), *each)) for each in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.kill(server, 15)
        os.waitpid(server, 0)
        for each in hogs:
            each.wait()
    else:
        asyncio.run(run(listener))


main()
