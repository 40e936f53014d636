"""Secrets on command lines, starred out before they leave the node: same length, so nothing else moves.

In and out: a command line as the kernel keeps it, its arguments each ended by NUL. Never: a promise that it finds them
all; it knows the usual shapes (see tests/elf/test_mask.py), and a secret in any other place goes through.
"""

from __future__ import annotations

import re

_WORDS = (
    rb"pass(?:word|wd|phrase|code)?|pwd|token|secret|credentials?|api[-_]?key|access[-_]?key|private[-_]?key|"
    rb"auth[-_]?key|account[-_]?key|signing[-_]?key|encryption[-_]?key|master[-_]?key|bearer|cookie|apikey|authkey"
)
#: The name of an option or variable that holds a secret: its last word says so (so not --password-file).
_NAME = rb"(?:[A-Za-z0-9_.]+[-_.])*?(?:[A-Za-z0-9]*(?:" + _WORDS + rb"))"
#: --password=X, -token:X or DB_PASSWORD=X, at the start of an argument: all the rest of it is the secret.
_ASSIGNED = re.compile(rb"(?:-{0,2}|/)" + _NAME + rb"[=:](?![/\s])", re.IGNORECASE)
#: --password, with the secret in the next argument.
_OPTION = re.compile(rb"--?" + _NAME, re.IGNORECASE)
#: The same inside a longer text, such as the script of sh -c: up to the next space, or the closing quote.
_INSIDE = re.compile(
    rb"(?:(?<=[\s'\"(;&|])|^)(?:--?" + _NAME + rb"(?:[=:]|\s+(?!-))|" + _NAME + rb"=)"
    rb"(?P<secret>'[^'\0]*'|\"[^\"\0]*\"|[^\s'\";|&)]+)",
    re.IGNORECASE,
)
_URL = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^\s/@:'\"]*:(?P<secret>[^\s/'\"]+)@")
_HEADER = re.compile(
    rb"(?:(?<=[\s'\"])|^)(?:(?:proxy-)?authorization|x-[a-z-]*(?:key|token|secret)|(?:set-)?cookie|private-token|api-key)"
    rb"\s*[:=]\s*(?:(?:basic|bearer|digest|token|negotiate)\s+)?(?P<secret>[^\0'\"]+)",
    re.IGNORECASE,
)
_SCRIPT = re.compile(rb"-[a-z]*c")  # sh -c, bash -lc: the next argument is a program of its own
_NOT_SECRET = re.compile(rb"-{0,2}(?:old)?pwd[=:]", re.IGNORECASE)  # the working directory, PWD=/home/me
#: Programs with a short option for a secret: basename -> (-pX glued to it, option whose next argument it is).
_SHORT: dict[bytes, tuple[bytes, tuple[bytes, ...]]] = {
    **dict.fromkeys((b"mysql", b"mysqldump", b"mysqladmin", b"mysqlimport", b"mysqlcheck", b"mysqlshow", b"mysqlslap",
                     b"mariadb", b"mariadb-dump", b"mariadb-admin"), (b"-p", ())),
    b"sshpass": (b"-p", (b"-p",)),
    b"redis-cli": (b"-a", (b"-a",)),
    b"curl": (b"-u", (b"-u", b"--user", b"--proxy-user", b"-U")),
    b"ldapsearch": (b"-w", (b"-w",)),
    b"ldapmodify": (b"-w", (b"-w",)),
    b"smbclient": (b"-U", (b"-U",)),
    b"mongo": (b"-p", (b"-p",)),
    b"mongosh": (b"-p", (b"-p",)),
    b"mongodump": (b"-p", (b"-p",)),
    b"sqlcmd": (b"-P", (b"-P",)),
}  # fmt: skip
_USER_AND_SECRET = (b"curl", b"smbclient")  # user:secret, of which only the second half is starred
#: Without any of these in it (in small letters), a command line need not be looked at closely. Most have none.
_HINTS = (
    b"pass", b"pwd", b"token", b"secret", b"cred", b"key", b"auth", b"bearer", b"cookie", b"://", b"--user", b"--proxy",
    b"\0-p", b"\0-a", b"\0-u", b"\0-w",
)  # fmt: skip


def mask(line: bytes) -> bytes:
    """The command line with stars over what looks like a secret; as long as before."""
    small = line.lower()
    if not any(hint in small for hint in _HINTS):
        return line
    arguments = line.split(b"\0")
    glued, takes = _SHORT.get(arguments[0].rsplit(b"/", 1)[-1], (b"", ()))
    halves = arguments[0].rsplit(b"/", 1)[-1] in _USER_AND_SECRET
    out = [_inside(arguments[0])]
    for i in range(1, len(arguments)):
        before, argument = arguments[i - 1], arguments[i]
        if _OPTION.fullmatch(before) and not argument.startswith(b"-"):
            out.append(b"*" * len(argument))
        elif before in takes:
            out.append(_star(argument, argument.find(b":") + 1 if halves else 0))
        elif glued and argument.startswith(glued) and len(argument) > len(glued) and argument[:2] != b"--":
            out.append(_star(argument, max(len(glued), argument.find(b":") + 1 if halves else 0)))
        else:
            out.append(_inside(argument, script=bool(_SCRIPT.fullmatch(before))))
    return b"\0".join(out)


def _star(argument: bytes, start: int) -> bytes:
    return argument[:start] + b"*" * (len(argument) - start)


def _inside(argument: bytes, *, script: bool = False) -> bytes:
    assigned = None if script else _ASSIGNED.match(argument)
    if assigned and not _NOT_SECRET.match(argument):
        return _star(argument, assigned.end())
    for pattern in (_HEADER, _URL, _INSIDE):
        argument = pattern.sub(_starred, argument)
    return argument


def _starred(found: re.Match[bytes]) -> bytes:
    if _NOT_SECRET.match(found[0]):
        return found[0]
    start, end = found.span("secret")
    text = found[0]
    return text[: start - found.start()] + b"*" * (end - start) + text[end - found.start() :]


def mask_records(taken: bytes, stride: int, spans: list) -> bytes | bytearray:
    """Ring bytes with the argv of each record masked; spans: [offset in the record, length] of each argv column."""
    out = None
    for start in range(8, len(taken), stride):
        for offset, length in spans:
            line = taken[start + offset : start + offset + length].rstrip(b"\0")
            safe = mask(line)
            if safe is not line and safe != line:
                out = bytearray(taken) if out is None else out
                out[start + offset : start + offset + len(safe)] = safe
    return taken if out is None else out
