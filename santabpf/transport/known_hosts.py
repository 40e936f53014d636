"""known_hosts files: is this the key that this host had before? In: files, a host's name, its key. Out: an Answer.

Pure but for reading the files and adding one line to the first. It decides nothing: transport.ssh does.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple


class Entry(NamedTuple):
    """One line of a known_hosts file."""

    where: str  # file:line
    marker: str  # "", "@revoked" or "@cert-authority"
    names: str
    key_type: str
    key: bytes

    def is_about(self, name: str) -> bool:
        """Whether the line is about this host: by its name, a hash of it, or a pattern; a ! before it means not."""
        found = False
        for pattern in self.names.split(","):
            if pattern.startswith("|1|"):
                found = found or _is_hash_of(pattern, name)
            elif pattern.startswith("!"):
                if fnmatch.fnmatchcase(name.lower(), _literal_brackets(pattern[1:].lower())):
                    return False
            elif fnmatch.fnmatchcase(name.lower(), _literal_brackets(pattern.lower())):
                found = True
        return found


class Answer(NamedTuple):
    """What known_hosts says about a host's key."""

    state: Literal["known", "unknown", "changed", "revoked"]
    where: str  # file:line of the entry that says so; "" when unknown


def look_up(files: Sequence[Path], name: str, key_type: str, key: bytes) -> Answer:
    """Whether the key is the one that the host is known by.

    A host that is known by keys of other types only is "changed": whoever speaks for it now does not have them.
    """
    known, other = "", ""
    for entry in _about(files, name):
        if entry.marker == "@revoked" and entry.key == key:
            return Answer("revoked", entry.where)
        if entry.marker:
            continue
        if entry.key == key and entry.key_type == key_type:
            known = known or entry.where
        else:
            other = other or entry.where
    if known:
        return Answer("known", known)
    return Answer("changed", other) if other else Answer("unknown", "")


def key_types(files: Sequence[Path], name: str) -> list[str]:
    """The types of the keys that the host is known by: these are asked of it first."""
    return list(dict.fromkeys(entry.key_type for entry in _about(files, name) if not entry.marker))


def add(path: Path, name: str, key_type: str, key: bytes, *, hashed: bool) -> None:
    """Add a line for a host. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hashed:
        salt = os.urandom(20)
        name = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(_hash(salt, name)).decode()}"
    line = f"{name} {key_type} {base64.b64encode(key).decode()}\n"
    with open(path, "a+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                line = "\n" + line
        file.write(line.encode())


def fingerprint(key: bytes) -> str:
    """As OpenSSH shows it: SHA256:..."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _about(files: Sequence[Path], name: str) -> Iterator[Entry]:
    return (entry for path in files for entry in _entries(path) if entry.is_about(name))


def _entries(path: Path) -> Iterator[Entry]:
    try:
        lines = path.read_text("utf-8", "backslashreplace").splitlines()
    except OSError:
        return
    for number, line in enumerate(lines, 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        try:
            key = base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        yield Entry(f"{path}:{number}", marker, words[0], words[1], key)


def _literal_brackets(pattern: str) -> str:
    """[host]:port means itself: only * and ? are wild in known_hosts."""
    return pattern.replace("[", "[[]")


def _hash(salt: bytes, name: str) -> bytes:
    return hmac.new(salt, name.encode(), hashlib.sha1).digest()


def _is_hash_of(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern[3:].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(_hash(salt, name), digest)
