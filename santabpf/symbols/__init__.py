"""Names for the frames of a recording, found when it is over: build ids and addresses in, rows of `symbols` out.

    wanted.py     decoded batches -> the distinct frames, and which file lies where
    elf_file.py   headers and symbol tables of one file, as they were read on the node -> its functions
    kernel.py     /proc/kallsyms -> the function at an address
    jit.py        /tmp/perf-PID.map -> the function at an address
    code.py       machine code of x86-64: is this a call, what does it call, does this function keep a frame pointer
    names.py      mangled names of C++ and Rust -> names
    lookup.py     the questions to the node, and the rows

In: batches as they are decoded, and a transport. Out: rows, notes. Never: a file of Santa's own machine, or a name from
a file that is not the one that was running.
"""

from .lookup import look_up
from .wanted import Wanted

__all__ = ["Wanted", "look_up"]
