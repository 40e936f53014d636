"""Recordings: folders of Parquet, written while they are made, and opened anywhere.

    write.py     batches -> parts, crash-safe          manifest.py  recording.json, checked
    read.py      a folder -> Recording, TableView      parquet.py   one Parquet file
    verify.py    is it whole? make it so               share.py     a copy without traces of its machine

In and out: folders as docs/recording-format.md tells. Never: a node, a verdict.
"""

from __future__ import annotations

from .manifest import FORMAT, Part
from .read import Recording, TableView, open
from .share import anonymise, share
from .verify import check_bytes, recover, verify
from .write import Writer

__all__ = [
    "FORMAT",
    "Part",
    "Recording",
    "TableView",
    "Writer",
    "anonymise",
    "check_bytes",
    "open",
    "recover",
    "share",
    "verify",
]
