"""A Python process that goes its own way: it ends things for whoever started it, however that one ends.

In: what it runs. Out: the process, with pipes. Stdlib only, as is all that runs in it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def apart(code: str, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Run this code, which may import santabpf; at the end of its input its starter is gone.

    -I -S: neither the environment nor site-packages get a say; its own session: Ctrl-C is for the starter alone.
    """
    found = f"import sys; sys.path.insert(0, sys.argv[1]); {code}"
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", found, str(Path(__file__).parents[2])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
        cwd="/",
    )
