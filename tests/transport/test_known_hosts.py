"""known_hosts: who is known by which key, in all the ways in which a line can say so."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from santabpf.transport import known_hosts

KEY, OTHER = b"the key", b"another key"
ED = "ssh-ed25519"


def line(names: str, key: bytes = KEY, key_type: str = ED, marker: str = "") -> str:
    return f"{marker} {names} {key_type} {base64.b64encode(key).decode()} a comment\n".lstrip()


def ask(tmp_path: Path, text: str, name: str = "web-1") -> known_hosts.Answer:
    path = tmp_path / "known_hosts"
    path.write_text(text)
    answer = known_hosts.look_up([path], name, ED, KEY)
    return answer._replace(where=answer.where.removeprefix(f"{path}:"))


@pytest.mark.parametrize(
    ("text", "name", "state", "where"),
    [
        (line("web-1"), "web-1", "known", "1"),
        (line("WEB-1"), "web-1", "known", "1"),
        (line("other,web-1,10.0.0.7"), "web-1", "known", "1"),
        (line("web-*"), "web-1", "known", "1"),
        (line("web-?"), "web-1", "known", "1"),
        (line("web-*,!web-1"), "web-1", "unknown", ""),
        (line("web-1"), "web-10", "unknown", ""),
        (line("[web-1]:2222"), "[web-1]:2222", "known", "1"),
        (line("[web-1]:2222"), "web-1", "unknown", ""),
        (line("[web-1]:2222"), "w", "unknown", ""),
        (line("web-1", OTHER), "web-1", "changed", "1"),
        (line("web-1", OTHER) + line("web-1"), "web-1", "known", "2"),
        (line("web-1", OTHER, "ssh-rsa"), "web-1", "changed", "1"),
        (line("web-1") + line("*", marker="@revoked"), "web-1", "revoked", "2"),
        (line("web-1") + line("*", OTHER, marker="@revoked"), "web-1", "known", "1"),
        (line("*", marker="@cert-authority"), "web-1", "unknown", ""),
        ("# web-1 ssh-ed25519 x\n\nweb-1 ssh-ed25519\nweb-1 ssh-ed25519 ***\n|1|x web-1 y\n", "web-1", "unknown", ""),
        ("", "web-1", "unknown", ""),
    ],
)
def test_a_line_is_about_a_host(tmp_path: Path, text: str, name: str, state: str, where: str) -> None:
    assert ask(tmp_path, text, name) == (state, where)


def test_a_hashed_name_is_found_again_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "new" / "known_hosts"
    known_hosts.add(path, "web-1", ED, KEY, hashed=True)
    assert b"web-1" not in path.read_bytes()
    assert known_hosts.look_up([path], "web-1", ED, KEY) == ("known", f"{path}:1")
    assert known_hosts.look_up([path], "web-2", ED, KEY).state == "unknown"
    assert known_hosts.key_types([path], "web-1") == [ED]


def test_adding_starts_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text("# no newline")
    known_hosts.add(path, "a", ED, KEY, hashed=False)
    known_hosts.add(path, "b", ED, OTHER, hashed=False)
    assert path.read_text().splitlines() == ["# no newline", line("a").split(" a ")[0], f"b {ED} YW5vdGhlciBrZXk="]


def test_a_file_that_is_not_there_knows_nobody(tmp_path: Path) -> None:
    assert known_hosts.look_up([tmp_path / "none"], "web-1", ED, KEY) == ("unknown", "")


def test_a_fingerprint_looks_as_openssh_shows_it() -> None:
    assert known_hosts.fingerprint(b"") == "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
