"""Machine code of x86-64, a few bytes of it: enough to see whether a return address can be one.

In: bytes right before a return address, or at the start of a function. Out: yes, no, a distance. Never: disassembles.

A chain of frame pointers is only as good as the code that keeps them. Code that does not (most of what Debian ships)
uses that register for anything, and what is found there may look like a frame. So each caller is checked: a call must
stand right before the return address; and the function that it calls must set a frame pointer. Intel SDM, volume 2.
"""

from __future__ import annotations

#: So many bytes before a return address tell the longest form of call.
CALL_BYTES = 8
#: A frame pointer is set so near to the start of a function; in front of it may stand a test of the stack's room.
PROLOGUE_BYTES = 128
_SETS = (b"\x48\x89\xe5", b"\x48\x8b\xec")  # mov %rsp,%rbp in its two forms
_SETS_TOO = b"\x48\x8d\x6c\x24"  # lea N(%rsp),%rbp, as older Go does
_DIRECT = 0xE8


def is_call(before: bytes) -> bool:
    """Do these bytes end with a call?

    >>> is_call(bytes.fromhex("e800000000")), is_call(bytes.fromhex("ffd0")), is_call(b"\\x90" * 8)
    (True, True, False)
    """
    if len(before) >= 5 and before[-5] == _DIRECT:
        return True
    return any(
        len(before) >= size and before[-size] == 0xFF and _indirect_bytes(before[-size + 1 :]) == size
        for size in (2, 3, 4, 6, 7)
    )


def call_distance(before: bytes) -> int | None:
    """How far from the return address the call leads; None for a call by pointer.

    >>> call_distance(bytes.fromhex("e8fbffffff")), call_distance(bytes.fromhex("ffd0"))
    (-5, None)
    """
    if len(before) >= 5 and before[-5] == _DIRECT:
        return int.from_bytes(before[-4:], "little", signed=True)
    return None


def keeps_frame(start: bytes) -> bool:
    """Does a function that starts so set a frame pointer?

    >>> keeps_frame(bytes.fromhex("f30f1efa554889e5")), keeps_frame(bytes.fromhex("4883ec18c3"))
    (True, False)
    """
    return any(pattern in start for pattern in (*_SETS, _SETS_TOO))


def is_jump(start: bytes) -> bool:
    """Is this a piece of the table by which functions of other files are called, not a function?

    >>> is_jump(bytes.fromhex("f30f1efaf2ff2575")), is_jump(bytes.fromhex("554889e5"))
    (True, False)
    """
    return start.removeprefix(b"\xf3\x0f\x1e\xfa").removeprefix(b"\xf2").startswith(b"\xff\x25")


def _indirect_bytes(modrm: bytes) -> int | None:
    """The length of `ff /2` with these bytes after the opcode; None where it is no call."""
    if (modrm[0] >> 3) & 7 != 2:
        return None
    mode, register = modrm[0] >> 6, modrm[0] & 7
    if mode == 3:
        return 2
    sib = register == 4
    if mode == 0:
        if register == 5:
            return 6
        return 2 + sib + (4 if sib and len(modrm) > 1 and modrm[1] & 7 == 5 else 0)
    return 2 + sib + (1 if mode == 1 else 4)
