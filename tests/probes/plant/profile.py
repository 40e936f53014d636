"""Plants programs that burn the CPU in known functions, 1.2 s each: with and without symbols, frame pointers, a file.

All are gone when this one speaks; their files, and the map of the code that was made at run time, stay until its
standard input ends.
"""

import ctypes
import json
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from made_programs import BASE, CODE_AT, DEPTH, ENTER, LEAVE, Code, burning, burnt_s, elf

BURN_S, WAIT_S = 1.2, 60
ROUNDS = 200_000


def with_frames():
    """_start -> santa_a -> santa_b -> santa_heavy (75 %) and santa_light (25 %), which has no frame of its own."""
    c = Code()
    c.begin("_start")
    c.code += b"\x31\xed"  # xor ebp, ebp
    c.call("santa_a")
    c.code += b"\xeb\xf9"  # jmp to the call
    c.begin("santa_a")
    c.code += ENTER
    c.call("santa_b")
    c.code += LEAVE
    c.begin("santa_b")
    c.code += ENTER
    c.call("santa_heavy")
    c.call("santa_light")
    c.code += LEAVE
    c.begin("santa_heavy")
    c.code += ENTER
    c.burn(3 * ROUNDS)
    c.code += LEAVE
    c.begin("santa_light")
    c.burn(ROUNDS)
    c.code += b"\xc3"
    return c


def deep():
    """_start -> santa_deep -> santa_deep ..., deeper than a stack has room for."""
    c = Code()
    c.begin("_start")
    c.code += b"\x31\xed\xbb" + struct.pack("<I", DEPTH)  # xor ebp, ebp; mov ebx
    c.call("santa_deep")
    c.code += b"\xeb\xf4"  # jmp to the mov
    c.recursion("santa_deep", burning(3 * ROUNDS))
    return c


def without_frames():
    """The same way, but rbp holds what looks like a frame: a return address after a call, in _start."""
    c = Code()
    c.begin("_start")
    c.code += b"\xb8" + struct.pack("<I", BASE + CODE_AT + 15) + b"\x50\x6a\0\x54\x5d"  # push it; push 0; rbp = rsp
    c.call("santa_a")
    c.code += b"\xeb\xf9"
    c.begin("santa_a")
    c.call("santa_heavy")
    c.code += b"\xc3"
    c.begin("santa_heavy")
    c.burn(3 * ROUNDS)
    c.code += b"\xc3"
    return c


def compiled():
    """A child that burns in code without a file; only its map in /tmp tells what is what. (process, path of the map)"""
    c = Code()
    c.begin("outer")
    c.code += ENTER
    c.call("inner")
    c.code += LEAVE
    c.begin("inner")
    c.code += ENTER
    c.burn(3 * ROUNDS)
    c.code += LEAVE
    code = c.finished()
    pid = os.fork()
    if pid == 0:
        memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        memory.write(code)
        at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        with open(f"/tmp/perf-{os.getpid()}.map", "w") as stream:
            stream.write(f"{at:x} 10 LSanta;outer()V\n{at + c.names['inner']:x} 20 LSanta;inner()V\n")
        burn = ctypes.CFUNCTYPE(None)(at)
        while True:
            burn()
    return pid, f"/tmp/perf-{pid}.map"


folder = tempfile.mkdtemp(prefix="santa-profile-", dir="/var/tmp")
facts, children = {"folder": folder}, {}
jit, jit_map = compiled()
try:
    for name, code, symbols in (
        ("whole", with_frames(), True), ("stripped", with_frames(), False), ("no-frames", without_frames(), True),
        ("deep", deep(), True),
    ):  # fmt: skip
        program, build_id = elf(code, name, symbols)
        path = f"{folder}/{name}"
        with open(path, "wb") as stream:
            stream.write(program)
        os.chmod(path, 0o755)
        children[name] = subprocess.Popen([path])
        facts[name] = {"tgid": children[name].pid, "build_id": build_id, "path": path}
    deadline = time.monotonic() + WAIT_S
    while min(map(burnt_s, [jit, *(child.pid for child in children.values())])) < BURN_S:
        if time.monotonic() > deadline:
            raise SystemExit(f"there was no CPU to burn for {WAIT_S} s")
        time.sleep(0.1)
    for child in children.values():
        child.send_signal(signal.SIGKILL)
        child.wait()
    os.kill(jit, signal.SIGKILL)
    os.waitpid(jit, 0)
    facts["jit"], jit = {"tgid": jit}, 0
    print(json.dumps(facts), flush=True)
    sys.stdin.read()
finally:
    for pid in [*([jit] if jit else []), *(child.pid for child in children.values() if child.poll() is None)]:
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)
    os.unlink(jit_map)
