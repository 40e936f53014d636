"""The load: two processes that pass a byte to and fro, which is nothing but context switches (perf bench sched pipe).

Both are kept to one CPU: on two, what is measured is how fast an idle CPU wakes, which differs from run to run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess

from ..errors import SantaError

SWITCHES_PER_OP = 2
_TIME = re.compile(r"([\d.]+) usecs/op")


def last_cpu() -> int:
    """The CPU that the load runs on."""
    return max(os.sched_getaffinity(0))


def switch_to_and_fro(ops: int) -> float:
    """Run the load to its end. Returns: microseconds an operation took, two switches each."""
    cpu = last_cpu()
    perf = subprocess.Popen(
        ["perf", "bench", "sched", "pipe", "-l", str(ops)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )  # fmt: skip
    try:
        out, _ = perf.communicate()
    except BaseException:
        os.killpg(perf.pid, signal.SIGKILL)  # both: neither sees that the other has gone
        perf.wait()
        raise
    match = _TIME.search(out)
    if perf.returncode or match is None:
        raise SantaError(f"perf bench sched pipe failed: {out.strip()[:200]}")
    return float(match[1])
