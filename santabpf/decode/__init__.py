"""Frames of an elf to Arrow batches. Pure: no files, no sockets, no clock.

    ring.py       raw ring-buffer bytes -> rows
    snapshots.py  readings of maps and of /proc -> the rows between two of them
    coverage.py   watermarks -> which seconds are closed, and what was watched in them
    own.py        what an elf says of itself -> rows of loss, receipt and clock
    hello.py      what an elf says first, and its complaints, checked
    said.py       values out of JSON, checked one by one
    cgroups.py    ids of cgroups -> their paths, pods and containers
    columns.py    one C field -> one Arrow array
    syscalls.py   numbers of system calls -> names
    qnames.py     names of DNS -> text
    stacks.py     C arrays of stack frames -> Arrow lists
    mappings.py   perf's records of mapped files -> rows
    times.py      monotonic ns -> UTC ns; readings -> spans
    stream.py     the Decoder that ties them together
"""

from .stream import Batch, Decoder

__all__ = ["Batch", "Decoder"]
