"""Plants programs that burn the CPU in known functions for 3 s: with and without symbols, frame pointers, a file.

The programs are made here, byte by byte, so that no compiler is needed: x86-64, without a library. All are gone when
this one speaks; their files, and the map of the code that was made at run time, stay until its standard input ends.
"""

import ctypes
import hashlib
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

BURN_S = 3.0
ROUNDS = 200_000
BASE, CODE_AT = 0x400000, 0x200
ENTER, LEAVE = b"\x55\x48\x89\xe5", b"\x5d\xc3"  # push rbp; mov rbp, rsp ... pop rbp; ret


class Code:
    """Machine code with names, and calls that are filled in at the end."""

    def __init__(self):
        self.code, self.names, self.calls = b"", {}, []

    def begin(self, name):
        self.code += b"\x90" * (-len(self.code) % 16)
        self.names[name] = len(self.code)

    def call(self, name):
        self.code += b"\xe8\0\0\0\0"
        self.calls.append((len(self.code), name))

    def burn(self, rounds):
        self.code += b"\xb9" + struct.pack("<I", rounds) + b"\xff\xc9\x75\xfc"  # mov ecx; dec ecx; jnz

    def finished(self):
        code = bytearray(self.code)
        for at, name in self.calls:
            code[at - 4 : at] = struct.pack("<i", self.names[name] - at)
        return bytes(code)


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


def elf(c, seed, symbols):
    """A whole program: headers, a build id, the code, and the symbols if they are wanted."""
    build_id = hashlib.sha1(f"{seed} {os.getpid()} {time.time()}".encode()).digest()
    note = struct.pack("<III4s", 4, 20, 3, b"GNU\0") + build_id
    body = c.finished()
    names, table = b"\0", bytes(24)
    for name, at in c.names.items():
        table += struct.pack("<IBBHQQ", len(names), 0x12, 0, 1, BASE + CODE_AT + at, 0)
        names += name.encode() + b"\0"
    sizes = [*sorted(c.names.values()), len(body)]
    for i, at in enumerate(c.names.values()):
        table = table[: 24 * (i + 2) - 8] + struct.pack("<Q", sizes[sizes.index(at) + 1] - at) + table[24 * (i + 2) :]
    labels = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
    at = CODE_AT + len(body)
    at += -at % 8
    tail = table + names + labels if symbols else b""
    headers_at = at + len(tail) + (-len(tail) % 8)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, BASE + CODE_AT, 64, headers_at if symbols else 0, 0,
        64, 56, 2, 64, 5 if symbols else 0, 4 if symbols else 0,
    )  # fmt: skip
    head += struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, CODE_AT + len(body), CODE_AT + len(body), 0x1000)
    head += struct.pack("<IIQQQQQQ", 4, 4, 0xB8, BASE + 0xB8, BASE + 0xB8, len(note), len(note), 4)
    out = (head.ljust(0xB8, b"\0") + note).ljust(CODE_AT, b"\0") + body
    if not symbols:
        return out, build_id.hex()
    out = out.ljust(at, b"\0") + tail + b"\0" * (-len(tail) % 8)

    def section(name, kind, flags, address, offset, size, link=0, info=0, entry=0):
        return struct.pack("<IIQQQQIIQQ", labels.index(name), kind, flags, address, offset, size, link, info, 1, entry)

    out += bytes(64)
    out += section(b".text", 1, 6, BASE + CODE_AT, CODE_AT, len(body))
    out += section(b".symtab", 2, 0, 0, at, len(table), 3, 1, 24)
    out += section(b".strtab", 3, 0, 0, at + len(table), len(names))
    out += section(b".shstrtab", 3, 0, 0, at + len(table) + len(names), len(labels))
    return out, build_id.hex()


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
        burn, end = ctypes.CFUNCTYPE(None)(at), time.time() + BURN_S
        while time.time() < end:
            burn()
        os._exit(0)
    return pid, f"/tmp/perf-{pid}.map"


folder = tempfile.mkdtemp(prefix="santa-profile-", dir="/var/tmp")
facts, children = {"folder": folder}, {}
jit, jit_map = compiled()
try:
    for name, code, symbols in (
        ("whole", with_frames(), True), ("stripped", with_frames(), False), ("no-frames", without_frames(), True)
    ):  # fmt: skip
        program, build_id = elf(code, name, symbols)
        path = f"{folder}/{name}"
        with open(path, "wb") as stream:
            stream.write(program)
        os.chmod(path, 0o755)
        children[name] = subprocess.Popen([path])
        facts[name] = {"tgid": children[name].pid, "build_id": build_id, "path": path}
    time.sleep(BURN_S)
    for child in children.values():
        child.send_signal(signal.SIGKILL)
        child.wait()
    os.waitpid(jit, 0)
    facts["jit"] = {"tgid": jit}
    print(json.dumps(facts), flush=True)
    sys.stdin.read()
finally:
    shutil.rmtree(folder)
    os.unlink(jit_map)
