"""One file's functions, out of the headers and symbol tables that were read on the node.

In: pieces of a 64-bit ELF file by their place in it. Out: which function lies at an offset of the file. pyelftools
reads the headers; the tables themselves, which may hold a million symbols, are read by numpy. Never trusts a number.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

#: Elf64_Sym, in the ELF specification.
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_NOTYPE, _FUNCTION, _INDIRECT = 0, 2, 10  # STT_NOTYPE, STT_FUNC, STT_GNU_IFUNC
_LOCAL = 0  # STB_LOCAL
_LOOK_BACK = 16  # so many symbols before an address may be labels within one function


class BadFile(Exception):
    """Bytes that are no sound ELF file."""


class Function(NamedTuple):
    """A function: its name as it stands in the file, None where it has none there, and where in the file it starts."""

    name: str | None
    offset: int
    size: int  # 0 where it is not known; without a name, up to where the next one starts


class Pieces(io.RawIOBase):
    """A file of which only some pieces are there; it reads as if it ended after each of them."""

    def __init__(self, pieces: Mapping[int, bytes]) -> None:
        self._pieces = sorted(pieces.items())
        self._at = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go there."""
        end = max((start + len(data) for start, data in self._pieces), default=0)
        self._at = max(0, offset + (0, self._at, end)[whence])
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """The bytes from here, as far as one piece goes."""
        for start, data in self._pieces:
            if start <= self._at < start + len(data):
                within = self._at - start
                wanted = data[within:] if size is None or size < 0 else data[within : within + size]
                self._at += len(wanted)
                return wanted
        return b""


class ElfFile:
    """The functions of one file. With debug: those of its debugging file, whose segments are not to be used."""

    def __init__(self, pieces: Mapping[int, bytes], debug: Mapping[int, bytes] | None = None) -> None:
        """Raises BadFile."""
        from elftools.common.exceptions import ELFError

        try:
            self._segments, unwind = _segments(pieces)
            self._read_symbols(*_tables(debug or pieces))
            self._starts = _starts(pieces.get(unwind[0], b""), unwind[1]) if unwind else np.zeros(0, np.int64)
        except BadFile:
            raise
        except (ELFError, ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError) as exc:
            raise BadFile(f"it is no sound ELF file: {type(exc).__name__}") from exc
        self.bytes = len(self._names) + self._symbols.nbytes + self._starts.nbytes

    def _read_symbols(self, symbols: bytes, names: bytes) -> None:
        table = np.frombuffer(symbols[: len(symbols) // _SYMBOL.itemsize * _SYMBOL.itemsize], _SYMBOL)
        kind = table["info"] & 15
        table = table[
            (table["section"] != 0) & (table["section"] < 0xFF00) & (table["name"] != 0)
            & ((kind == _FUNCTION) | (kind == _INDIRECT) | (kind == _NOTYPE))
        ]  # fmt: skip
        # at one address: what is not local first, then what is no bare label; the tables' order decides the rest
        worse = ((table["info"] >> 4) == _LOCAL).astype(np.int8) * 2 + ((table["info"] & 15) == _NOTYPE)
        self._symbols = table[np.lexsort((worse, table["value"]))]
        self._values: npt.NDArray[Any] = np.ascontiguousarray(self._symbols["value"])
        self._names = names

    def find(self, offset: int) -> Function | None:
        """The function at this offset of the file; one without a name where only its start is known; or None."""
        address = self._address(offset)
        if address is None:
            return None
        return self._named(offset, address) or self._unnamed(offset, address)

    def is_code(self, offset: int) -> bool:
        """Is this offset of the file in an executable part?"""
        return self._address(offset) is not None

    def _unnamed(self, offset: int, address: int) -> Function | None:
        at = int(np.searchsorted(self._starts, address, side="right")) - 1
        if at < 0:
            return None
        start = int(self._starts[at])
        size = int(self._starts[at + 1]) - start if at + 1 < len(self._starts) else 0
        return Function(None, offset - (address - start), size)

    def _named(self, offset: int, address: int) -> Function | None:
        at = int(np.searchsorted(self._values, address, side="right")) - 1
        first = at
        while at >= 0 and first - at < _LOOK_BACK:
            at = int(np.searchsorted(self._values, self._values[at], side="left"))  # the best of those at one address
            symbol = self._symbols[at]
            if address < int(symbol["value"]) + int(symbol["size"]):
                return self._function(symbol, offset - (address - int(symbol["value"])))
            if not symbol["size"] and self._is_nearest(at, first, symbol):
                return self._function(symbol, offset - (address - int(symbol["value"])))
            at -= 1
        return None

    def _is_nearest(self, at: int, first: int, symbol: Any) -> bool:
        """A symbol without a size reaches to the next one: it must be the nearest, and a function (_start, asm)."""
        return int(self._values[at]) == int(self._values[first]) and (int(symbol["info"]) >> 4) != _LOCAL

    def _function(self, symbol: Any, offset: int) -> Function:
        start = int(symbol["name"])
        raw = self._names[start : self._names.find(b"\0", start)] if start < len(self._names) else b""
        return Function(raw[:4096].decode("utf-8", "backslashreplace"), offset, int(symbol["size"]))

    def _address(self, offset: int) -> int | None:
        """An offset in the file to an address of the file's own."""
        for start, length, address in self._segments:
            if start <= offset < start + length:
                return offset - start + address
        return None


def _segments(pieces: Mapping[int, bytes]) -> tuple[list[tuple[int, int, int]], tuple[int, int] | None]:
    """(offset in the file, length there, address) of each executable part; (offset, address) of .eh_frame_hdr."""
    elf, stream = _opened(pieces)
    head = elf.header
    if elf.elfclass != 64 or not elf.little_endian:
        raise BadFile("it is no 64-bit file of this machine's order of bytes")
    headers = _headers(stream, elf.structs.Elf_Phdr, head["e_phoff"], head["e_phentsize"], min(head["e_phnum"], 256))
    loaded = [
        (int(h["p_offset"]), int(h["p_filesz"]), int(h["p_vaddr"]))
        for h in headers if h["p_type"] == "PT_LOAD" and int(h["p_flags"]) & 1
    ]  # fmt: skip
    unwind = next(((int(h["p_offset"]), int(h["p_vaddr"])) for h in headers if h["p_type"] == "PT_GNU_EH_FRAME"), None)
    return loaded, unwind


def _starts(table: bytes, address: int) -> npt.NDArray[np.int64]:
    """Where functions start, by .eh_frame_hdr (Linux Standard Base): a sorted table of 4-byte distances from itself."""
    if len(table) < 12 or table[0] != 1 or table[1] & 15 not in (3, 11) or table[2] != 3 or table[3] != 0x3B:
        return np.zeros(0, np.int64)
    count = int.from_bytes(table[8:12], "little")
    pairs = np.frombuffer(table[12 : 12 + 8 * min(count, (len(table) - 12) // 8)], "<i4").reshape(-1, 2)
    return np.sort(pairs[:, 0].astype(np.int64) + address)


def _tables(pieces: Mapping[int, bytes]) -> tuple[bytes, bytes]:
    """The symbol table and its names; empty ones where the file has none."""
    elf, stream = _opened(pieces)
    head = elf.header
    headers = _headers(stream, elf.structs.Elf_Shdr, head["e_shoff"], head["e_shentsize"], head["e_shnum"])
    for wanted in ("SHT_SYMTAB", "SHT_DYNSYM"):
        for header in headers:
            if header["sh_type"] == wanted and int(header["sh_offset"]) in pieces and header["sh_link"] < len(headers):
                names = headers[header["sh_link"]]
                return pieces[int(header["sh_offset"])], pieces.get(int(names["sh_offset"]), b"")
    return b"", b""


def _opened(pieces: Mapping[int, bytes]) -> tuple[Any, Pieces]:
    from elftools.elf.elffile import ELFFile

    stream = Pieces(pieces)
    return ELFFile(cast(IO[bytes], stream)), stream


def _headers(stream: Pieces, kind: Any, offset: int, size: int, count: int) -> list[Any]:
    """A table of headers."""
    from elftools.common.utils import struct_parse

    return [struct_parse(kind, cast(IO[bytes], stream), offset + i * size) for i in range(count)]
