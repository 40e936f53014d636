"""BTF of a whole kernel to the part that probes ask for: a few tens of KB instead of some MB.

In: BTF, names of structs and of enums. Out: BTF in which these, what is embedded in them and what they point to are as
they were, and in which every raw tracepoint has as many arguments as it had; all other types have become an int.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from santabpf.elf import btf

INT = 1  # the first type, which stands for all that is not kept


class Reducer:
    """Collects the types to keep; done() writes them."""

    def __init__(self, types: btf.BTF) -> None:
        self._old = types
        self._text = bytearray(b"\0")
        self._names: dict[str, int] = {"": 0}
        self._types: list[bytes] = []
        self._new: dict[int, int] = {}  # type id of old -> of new
        self._protos: dict[int, int] = {}  # arguments -> a pointer to a function with so many
        self._add("int", 1 << 24, 4, struct.pack("<I", 32))

    def done(self) -> bytes:
        """The BTF."""
        body = b"".join(self._types)
        head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(body), len(body), len(self._text))
        return head + body + bytes(self._text)

    def keep_struct(self, name: str) -> None:
        """A struct or union, what is embedded in it, and those that it points to."""
        type_id = self._old._find(name, (btf._STRUCT, btf._UNION))
        if type_id is None:
            return
        self._struct(type_id)
        for _, member, _ in self._members(type_id):
            target = self._old._stripped(member)
            while self._old._kind(target) == btf._PTR:
                (target,) = struct.unpack_from("<I", self._old._data, self._old._at[target] + 8)
                target = self._old._stripped(target) if target else 0
            if target and self._old._kind(target) in (btf._STRUCT, btf._UNION):
                self._struct(target)

    def keep_enum(self, name: str) -> None:
        """An enum with all its values."""
        type_id = self._old._find(name, (btf._ENUM,))
        if type_id is None:
            return
        info, size = self._info(type_id)
        members = b""
        for i in range(info & 0xFFFF):
            label, value = struct.unpack_from("<Ii", self._old._data, self._old._at[type_id] + 12 + 8 * i)
            members += struct.pack("<Ii", self._name(self._old._name(label)), value)
        self._add(name, info, size, members)

    def keep_tracepoints(self) -> None:
        """Every btf_trace_NAME, with its number of arguments."""
        for offset in self._old._named:
            name = self._old._name(offset)
            args = self._old.resolve("args " + name[10:]) if name.startswith("btf_trace_") else None
            if args is None:
                continue
            if args not in self._protos:
                self._add("", 13 << 24 | (args + 1), 0, struct.pack("<II", 0, INT) * (args + 1))
                self._add("", 2 << 24, len(self._types), b"")
                self._protos[args] = len(self._types)
            self._add(name, 8 << 24, self._protos[args], b"")

    def _struct(self, type_id: int) -> int:
        """The new id of a struct or union."""
        if type_id in self._new:
            return self._new[type_id]
        at, (info, size) = self._old._at[type_id], self._info(type_id)
        members = []
        for label, member, bits in self._members(type_id):
            inner = self._old._stripped(member)
            is_struct = self._old._kind(inner) in (btf._STRUCT, btf._UNION)
            members.append((self._name(self._old._name(label)), self._struct(inner) if is_struct else INT, bits))
        (name,) = struct.unpack_from("<I", self._old._data, at)
        body = b"".join(struct.pack("<III", *member) for member in members)
        self._new[type_id] = self._add(self._old._name(name), info, size, body)
        return self._new[type_id]

    def _members(self, type_id: int) -> list[tuple[int, int, int]]:
        """(offset of the name, type, bits) of each member."""
        at, count = self._old._at[type_id], self._info(type_id)[0] & 0xFFFF
        return [struct.unpack_from("<III", self._old._data, at + 12 + 12 * i) for i in range(count)]

    def _info(self, type_id: int) -> tuple[int, int]:
        _, info, size = struct.unpack_from("<III", self._old._data, self._old._at[type_id])
        return info, size

    def _add(self, name: str, info: int, size: int, rest: bytes) -> int:
        self._types.append(struct.pack("<III", self._name(name), info, size) + rest)
        return len(self._types)

    def _name(self, text: str) -> int:
        if text not in self._names:
            self._names[text] = len(self._text)
            self._text += text.encode() + b"\0"
        return self._names[text]


def reduced(data: bytes, structs: Iterable[str], enums: Iterable[str]) -> bytes:
    """The reduced BTF."""
    reducer = Reducer(btf.BTF(data))
    for name in sorted(set(structs)):
        reducer.keep_struct(name)
    for name in sorted(set(enums)):
        reducer.keep_enum(name)
    reducer.keep_tracepoints()
    return reducer.done()
