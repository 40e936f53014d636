"""A page that tells how to do something, followed word by word.

In: Markdown. Out: what each command printed. A block of sh is run, line by line; "`path`:" before a block makes it a
file of that name.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(
    r"(?:^`(?P<file>[^`]+)`:\n\n)?^(?P<in> *)```(?P<kind>\w+)\n(?P<text>.*?)^(?P=in)```$", re.DOTALL | re.MULTILINE)


def follow(
    text: str, folder: Path, around: Callable[[str], str] = str, may_exit: Collection[int] = (0, 3)
) -> list[str]:
    """Write the files and run the commands in a folder, in order; what each command printed."""
    out = []
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for block in _BLOCK.finditer(text):
        inside = re.sub(f"^{block['in']}", "", block["text"], flags=re.MULTILINE)  # as far in as its fence
        if block["file"]:
            (folder / block["file"]).parent.mkdir(parents=True, exist_ok=True)
            (folder / block["file"]).write_text(inside, encoding="utf-8")
        elif block["kind"] == "sh":
            for command in inside.replace("\\\n", " ").splitlines():
                done = subprocess.run(
                    ["sh", "-c", around(command)], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                    capture_output=True, text=True)
                out.append(f"$ {command}\n{done.stdout}{done.stderr}")
                assert done.returncode in may_exit, out[-1]
    return out
