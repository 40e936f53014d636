"""Tables of stacks whose sums can be counted by hand, and larger ones."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pyarrow as pa

#: (name, kind, module)
Frame = tuple[str, str, str]
SHOP, CUT = ("shop [pid 7]", "thread", ""), ("[cut: no frame pointers]", "cut", "")
MAIN, SORT, HASH = (("main", "user", "/bin/shop"), ("sort", "user", "/bin/shop"), ("hash", "user", "/lib/libc.so.6"))
JIT, LOST = ("LShop;::sell", "jit", "/tmp/perf-7.map"), ("libz.so.1+0x23", "unresolved", "/lib/libz.so.1")
CALL, READ = ("do_syscall_64", "kernel", ""), ("ksys_read", "kernel", "")
#: 100 in all: 23 in ksys_read, 40 in sort (30 + 10 below the JIT), 20 in hash, 10 in main, 7 in a cut stack.
ROWS: list[tuple[list[Frame], int]] = [
    ([SHOP, MAIN, SORT], 30), ([SHOP, MAIN, CALL, READ], 23), ([SHOP, MAIN, SORT, HASH], 20),
    ([SHOP, MAIN, JIT, SORT], 10), ([SHOP, MAIN], 10), ([SHOP, CUT, LOST], 7),
]
#: What binaries may have as names.
HOSTILE = ["</script><script>window.ran=1</script>", "<img src=x onerror=window.ran=1>", "a;b c 12", "new\nline 99",
           "\x1b[31mred\x07", "\u202egnp.exe", "\"quo'te\"", "N" * 10_000, "", "\ud800lone", "漢字の関数", "__proto__"]


def table(rows: Sequence[tuple[Sequence[Frame], int]], unit: str | None = "samples") -> pa.Table:
    """The table that the charts take."""
    def column(at: int) -> pa.Array:
        lists = [[frame[at].encode(errors="backslashreplace").decode() for frame in frames] for frames, _ in rows]
        return pa.array(lists, pa.list_(pa.string()))

    made = pa.table({"frames": column(0), "kinds": column(1), "modules": column(2),
                     "value": pa.array([value for _, value in rows], pa.int64())})
    return made.replace_schema_metadata({"unit": unit} if unit else None)


def hostile() -> pa.Table:
    """Each hostile name once as a function of a process of its own name, with 10 samples."""
    return table([([(name, "thread", ""), (name, "user", name)], 10) for name in HOSTILE])


def towers(count: int, high: int, value: int = 1) -> pa.Table:
    """So many stacks that share nothing but the root: count * high frames, all equally wide."""
    kinds = ("user", "kernel", "jit")
    return table([([(f"f{at:05}_{level}", kinds[(at + level) % 3], "m") for level in range(high)], value)
                  for at in range(count)])


def made_up(seed: int, rows: int = 300) -> list[tuple[list[Frame], int]]:
    """Stacks of a few names, so that they meet and part again."""
    rng = random.Random(seed)
    frames = [MAIN, SORT, HASH, JIT, CALL, READ, LOST, CUT]
    return [([SHOP, *rng.choices(frames, k=rng.randrange(9))], rng.randrange(50)) for _ in range(rows)]
