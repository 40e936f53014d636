"""Plants 23 sleeps of 30 ms, 23 in a deep recursion, and a program that no signal can wake for 2.5 s, as it is blocked.

The program is made here, byte by byte (x86-64): it calls vfork(), whose child sleeps before it exits.
"""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time

from made_programs import DEPTH, Code, elf

PLANTED, SLEEP_S, BLOCK_MS = 23, 0.03, 2500
BASE = 0x400000
EXIT = b"\xb8\x3c\0\0\0\x31\xff\x0f\x05"  # mov eax, 60; xor edi, edi; syscall
SLEEP = b"\x48\x89\xe7\x31\xf6\xb8\x23\0\0\0\x0f\x05"  # nanosleep(rsp, 0)


def deep():
    """A program that sleeps in the innermost of more calls than a stack has room for."""
    c = Code()
    c.begin("_start")
    c.code += b"\x31\xed\x41\xbc" + struct.pack("<I", PLANTED)  # xor ebp, ebp; mov r12d
    c.code += b"\xbb" + struct.pack("<I", DEPTH)  # mov ebx
    c.call("santa_deep")
    c.code += b"\x41\xff\xcc\x75\xf1" + EXIT  # dec r12d; jnz to the mov of ebx
    nap = b"\x68" + struct.pack("<I", int(SLEEP_S * 1e9)) + b"\x6a\0"  # a timespec
    c.recursion("santa_deep", nap + SLEEP + b"\x48\x83\xc4\x10")  # add rsp, 16
    return c


child = b"\x68" + struct.pack("<I", BLOCK_MS % 1000 * 1_000_000) + b"\x6a" + bytes([BLOCK_MS // 1000])  # a timespec
child += SLEEP + EXIT
code = b"\xb8\x3a\0\0\0\x0f\x05\x85\xc0\x75" + bytes([len(child)]) + child + EXIT  # if vfork(): skip the child's part
note = struct.pack("<III4s", 4, 20, 3, b"GNU\0") + hashlib.sha1(os.urandom(8)).digest()
size = 0x100 + len(code)
program = struct.pack(
    "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, BASE + 0x100, 64, 0, 0, 64, 56, 2, 64, 0, 0
)  # fmt: skip
program += struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)
program += struct.pack("<IIQQQQQQ", 4, 4, 0xB0, BASE + 0xB0, BASE + 0xB0, len(note), len(note), 4)
program = (program + note).ljust(0x100, b"\0") + code

folder = tempfile.mkdtemp(prefix="santa-offcpu-", dir="/var/tmp")
try:
    programs = {}
    for name, content in (("blocked", program), ("deep", elf(deep(), "deep", True)[0])):
        path = folder + "/" + name
        with open(path, "wb") as stream:
            stream.write(content)
        os.chmod(path, 0o755)
        programs[name] = subprocess.Popen([path])
    sleeper = os.fork()
    if sleeper == 0:
        with open("/proc/self/comm", "w") as stream:
            stream.write("santa-sleeper")
        for _ in range(PLANTED):
            time.sleep(SLEEP_S)
        os._exit(0)
    os.waitpid(sleeper, 0)
    ended = {name: process.wait() for name, process in programs.items()}
    if any(ended.values()):
        raise SystemExit("they failed: %s" % ended)
finally:
    shutil.rmtree(folder)
facts = {"sleeper": sleeper, "sleep_ns": round(SLEEP_S * 1e9), "block_ns": BLOCK_MS * 1_000_000}
facts.update((name, process.pid) for name, process in programs.items())
print(json.dumps(facts))
