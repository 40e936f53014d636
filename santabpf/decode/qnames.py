"""Names of DNS as they go over the wire (RFC 1035, 3.1) to the text that people write. Pure."""

from __future__ import annotations

#: Ends a name whose end was not taken.
CUT = "…"


def qname(raw: bytes, width: int) -> str:
    r"""Labels, each after its length, to text; what is neither letter nor sign is written \DDD, as in zone files.

    raw: the name without its last zero, as it stands in a field of `width` bytes. A name that does not end in it, or
    at a zero inside a label, ends with an ellipsis.

    >>> qname(b"\3www\7example\3org", 128), qname(b"", 128), qname(b"\3a.b\1\xff", 128), qname(b"\3www\7exa", 12)
    ('www.example.org', '.', 'a\\.b.\\255', 'www.exa…')
    """
    labels: list[str] = []
    at = 0
    while at < len(raw):
        length = raw[at]
        if length > 63:  # a pointer, which a question has no use for, or no name at all
            return ".".join([*labels, CUT])
        labels.append("".join(_shown(byte) for byte in raw[at + 1 : at + 1 + length]))
        at += 1 + length
    is_cut = at > len(raw) or len(raw) >= width - 1
    return ".".join(labels) + (CUT if is_cut else "") if labels else "."


def _shown(byte: int) -> str:
    if byte in b".\\":
        return "\\" + chr(byte)
    return chr(byte) if 0x21 <= byte <= 0x7E else f"\\{byte:03}"
