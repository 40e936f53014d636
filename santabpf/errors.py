"""Every error SantaBPF raises on purpose, as one tree.

    SantaError
    ├── BadUsage            (ValueError)   a name, flag or value that does not exist; names the nearest one
    ├── BadScenario         (ValueError)   scenario.yaml, probe.yaml or their SQL: file and line
    ├── NodeError                          the node, or the way to it
    │   ├── CannotConnect                  host, port, key, timeout
    │   ├── CannotRecord                   no bcc, no BTF, too old, locked down, no sudo, too little memory
    │   ├── CannotContain                  a drill can't be kept within bounds there
    │   ├── CannotProvoke                  a drill's script did not do its harm: a program it needs lacks, or it failed
    │   └── ConnectionLost                 it worked, then it stopped
    ├── BadFrame                           bytes from the elf that are no frame
    ├── RecordingError                     a folder that is no (whole, readable) recording
    │   ├── MissingTable    (LookupError)  the recording is fine, the table is not in it
    │   └── NewerFormat                    written by a newer SantaBPF
    ├── QueryFailed                        SQL over a recording: refused, timed out, too much memory
    ├── BadVerdict                         a verdict file that does not hold
    └── ReportFailed                       the notebook failed; names the notebook and the cell

A message says what happened, where, what was there and what to do next, in one or two sentences, and never
holds a secret. Foreign errors are translated where they enter, with ``raise ... from exc``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: So many known names are all named to somebody who misspelt one; of more, a few.
MOST_NAMED, FEW = 24, 5


class SantaError(Exception):
    """The root of all errors that SantaBPF raises on purpose; the command line prints it as one line and exits 1."""


class BadUsage(SantaError, ValueError):
    """A name or value that does not exist or does not fit; the command line exits 2."""


class BadScenario(SantaError, ValueError):
    """A probe or scenario folder that breaks its contract; the message starts with file:line."""


class NodeError(SantaError):
    """Something is wrong with a node or on the way to it; what_to_do is the command that mends it, if one does."""

    def __init__(self, message: str, what_to_do: str = "") -> None:
        super().__init__(f"{message}; mend it with: {what_to_do}" if what_to_do else message)
        self.message = message
        self.what_to_do = what_to_do


class CannotConnect(NodeError):
    """No connection was made: name, port, key, user or time."""


class CannotRecord(NodeError):
    """The node was reached, but BPF can't be used there; says what to do about it."""


class CannotContain(NodeError):
    """A drill can't be kept within bounds on this machine, so it was not started; says what is missing."""


class CannotProvoke(NodeError):
    """A drill's script could not do what it is for: a program that it needs is not installed, or it failed."""


class ConnectionLost(NodeError):
    """The connection broke in mid-recording; what came before is kept."""


class BadFrame(SantaError):
    """Bytes that are not a whole, unharmed frame of a known version."""


class RecordingError(SantaError):
    """A folder that is no recording, or one that is broken; names file and column."""


class MissingTable(RecordingError, LookupError):
    """The recording has no such table; says which it has and how to record it."""


class NewerFormat(RecordingError):
    """The recording was written in a format that this version does not know."""


class QueryFailed(SantaError):
    """A query over a recording was refused, failed, took too long or too much memory."""


class BadVerdict(SantaError):
    """A verdict that is malformed, or that its recording does not bear out."""


class ReportFailed(SantaError):
    """The notebook behind a report failed; the message names the notebook and the cell."""


def reason(exc: Exception) -> str:
    """Why something failed, for people: the message of an error of ours; of any other, that it is a mistake of ours."""
    return str(exc) if isinstance(exc, SantaError) else f"a mistake in SantaBPF: {type(exc).__name__}: {exc}"


def nearest(wrong: str, known: Iterable[str]) -> str:
    """The tail of a message about a misspelt name: the nearest known one, or all of them, or of many the nearest few.

    >>> nearest("runk", ["runq", "exec"])
    "did you mean 'runq'?"
    """
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if len(names) > MOST_NAMED:
        few = difflib.get_close_matches(wrong, names, n=FEW, cutoff=0.0)
        return f"there are {len(names)}, of which the nearest are: {', '.join(few)}"
    return "there is: " + (", ".join(names) if names else "nothing")
