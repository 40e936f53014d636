"""Where a member of a kernel struct lies, read from the kernel's own type data (BTF).

In: the bytes of /sys/kernel/btf/vmlinux and an expression of a probe's `btf:`. Out: a number, or None where this
kernel has no such thing. Never: headers, guesses by version. Layout: kernel Documentation/bpf/btf.rst.

    task_struct.se.sum_exec_runtime           byte offset of a member, through embedded structs and anonymous unions
    task_struct.__state|task_struct.state     the first alternative that exists
    enum cgroup_subsys_id.memory_cgrp_id      value of an enumerator
    args sched_process_exit                   how many arguments a raw tracepoint passes
    args mark_victim 2                        the same, where they are at least 2

(`field CATEGORY:EVENT.NAME` is answered by formats.py, and `names ENUM.PREFIX` by fit.py.)
"""

from __future__ import annotations

import struct

VMLINUX = "/sys/kernel/btf/vmlinux"
ABSENT = 0xFFFFFFFF
MAGIC = b"\x9f\xeb"  # its first two bytes, on a little-endian machine

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _TYPEDEF, _FUNC_PROTO = 2, 3, 4, 5, 6, 8, 13
_NAMED = (_STRUCT, _UNION, _ENUM, _TYPEDEF, 19)
_MODIFIERS = (8, 9, 10, 11, 18)  # typedef, volatile, const, restrict, type tag
# what follows the 12 bytes of a type: a fixed part, and a part for each of its vlen members
_FIXED = {1: 4, _ARRAY: 12, 14: 4, 17: 4}
_EACH = {_STRUCT: 12, _UNION: 12, _ENUM: 8, _FUNC_PROTO: 8, 15: 12, 19: 12}


class BTF:
    """The kernel's types. Raises ValueError where the bytes are no BTF."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER.size:
            raise ValueError("it is cut")
        magic, _, _, header, type_at, type_bytes, text_at, text_bytes = _HEADER.unpack_from(data)
        if magic != 0xEB9F:
            raise ValueError("it does not start with BTF's magic number")
        self._data = data
        self._text = header + text_at
        self._text_end = self._text + text_bytes
        self._at = [0]  # type id -> where it lies
        self._named: dict[int, list[int]] = {}  # offset of a name -> ids
        at, end = header + type_at, header + type_at + type_bytes
        unpack = _TYPE.unpack_from
        while at < end:
            name, info, _ = unpack(data, at)
            kind = (info >> 24) & 31
            if name and kind in _NAMED:
                self._named.setdefault(name, []).append(len(self._at))
            self._at.append(at)
            at += 12 + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)

    @classmethod
    def of_kernel(cls) -> "BTF":
        """The running kernel's. Raises OSError, ValueError."""
        with open(VMLINUX, "rb") as stream:
            return cls(stream.read())

    def resolve(self, expression: str) -> int | None:
        """The value of an expression, or None if this kernel has none of its alternatives."""
        for choice in expression.split("|"):
            word, _, rest = choice.strip().partition(" ")
            if word == "enum":
                value = self._enumerator(*rest.strip().split(".", 1))
            elif word == "args":
                value = self._tracepoint_args(*rest.split())
            else:
                value = self._offset(*word.split(".", 1))
            if value is not None:
                return value
        return None

    def has_enum(self, name: str) -> bool:
        """Is there an enum of that name, whatever its values?"""
        return self._find(name, (_ENUM,)) is not None

    def _find(self, name: str, kinds: tuple[int, ...]) -> int | None:
        """The id of the type of that name; names stand once in the string section."""
        wanted = b"\0" + name.encode() + b"\0"
        at = self._data.find(wanted, self._text, self._text_end)
        while at >= 0:
            for type_id in self._named.get(at + 1 - self._text, ()):
                if self._kind(type_id) in kinds:
                    return type_id
            at = self._data.find(wanted, at + 1, self._text_end)
        return None

    def _kind(self, type_id: int) -> int:
        return (_TYPE.unpack_from(self._data, self._at[type_id])[1] >> 24) & 31

    def _name(self, offset: int) -> str:
        start = self._text + offset
        return self._data[start : self._data.index(b"\0", start)].decode()

    def _stripped(self, type_id: int) -> int:
        while self._kind(type_id) in _MODIFIERS:
            type_id = _TYPE.unpack_from(self._data, self._at[type_id])[2]
        return type_id

    def _member(self, type_id: int, name: str) -> tuple[int, int] | None:
        """(bit offset, type id) of a member, looked for in anonymous structs and unions too."""
        at = self._at[type_id]
        _, info, _ = _TYPE.unpack_from(self._data, at)
        for i in range(info & 0xFFFF):
            label, member_type, bits = _TYPE.unpack_from(self._data, at + 12 + 12 * i)
            if info >> 31:  # bit fields: the width stands in the upper byte
                bits &= 0xFFFFFF
            if label:
                if self._name(label) == name:
                    return bits, member_type
            else:
                inner = self._stripped(member_type)
                found = self._member(inner, name) if self._kind(inner) in (_STRUCT, _UNION) else None
                if found:
                    return bits + found[0], found[1]
        return None

    def _offset(self, struct_name: str, path: str = "") -> int | None:
        type_id = self._find(struct_name, (_STRUCT, _UNION))
        bits = 0
        for part in path.split("."):
            if type_id is None or self._kind(type_id) not in (_STRUCT, _UNION):
                return None
            found = self._member(type_id, part)
            if found is None:
                return None
            bits += found[0]
            type_id = self._stripped(found[1])
        return bits // 8

    def enumerators(self, enum: str) -> dict[str, int]:
        """All values of an enum by their names; empty where there is no such enum."""
        type_id = self._find(enum, (_ENUM,))
        if type_id is None:
            return {}
        at = self._at[type_id]
        pairs = (struct.unpack_from("<Ii", self._data, at + 12 + 8 * i)
                 for i in range(_TYPE.unpack_from(self._data, at)[1] & 0xFFFF))  # fmt: skip
        return {self._name(label): value for label, value in pairs}

    def _enumerator(self, enum: str, name: str) -> int | None:
        return self.enumerators(enum).get(name)

    def _tracepoint_args(self, tracepoint: str, least: str = "0") -> int | None:
        """A raw tracepoint X has a typedef btf_trace_X: pointer to a function of (void *, its arguments...)."""
        type_id = self._find("btf_trace_" + tracepoint, (_TYPEDEF,))
        if type_id is None:
            return None
        type_id = self._stripped(type_id)
        if self._kind(type_id) == _PTR:
            type_id = self._stripped(_TYPE.unpack_from(self._data, self._at[type_id])[2])
        if self._kind(type_id) != _FUNC_PROTO:
            return None
        count = (_TYPE.unpack_from(self._data, self._at[type_id])[1] & 0xFFFF) - 1
        return count if count >= int(least) else None
