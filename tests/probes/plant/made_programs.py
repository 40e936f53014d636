"""Small programs that are made byte by byte, so that no compiler is needed: x86-64, no library, with a build id."""

import hashlib
import os
import struct
import time

BASE, CODE_AT = 0x400000, 0x200
ENTER, LEAVE = b"\x55\x48\x89\xe5", b"\x5d\xc3"  # push rbp; mov rbp, rsp ... pop rbp; ret
DEPTH = 40  # of a recursion: more than the 32 frames that a stack has room for


def burning(rounds):
    return b"\xb9" + struct.pack("<I", rounds) + b"\xff\xc9\x75\xfc"  # mov ecx; dec ecx; jnz


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
        self.code += burning(rounds)

    def recursion(self, name, innermost):
        """A function that calls itself until ebx, which the caller sets, is 0, and there does what is wanted."""
        self.begin(name)
        self.code += ENTER + b"\xff\xcb\x74\x07"  # dec ebx; jz to the innermost
        self.call(name)
        self.code += b"\xeb" + bytes([len(innermost)]) + innermost + LEAVE  # jmp over it

    def finished(self):
        code = bytearray(self.code)
        for at, name in self.calls:
            code[at - 4 : at] = struct.pack("<i", self.names[name] - at)
        return bytes(code)


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


def burnt_s(pid):
    """The CPU seconds that a process has used in user mode."""
    with open("/proc/%d/stat" % pid) as stream:
        return int(stream.read().rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")
