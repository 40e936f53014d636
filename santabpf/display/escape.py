"""Text from a node, made harmless for each place where it is shown.

In: any string; process names and arguments are chosen by whoever runs a process, an attacker too. Out: the same text,
readable, in which nothing is markup, a link, an escape code or an invisible character. Never: an exception.
"""

from __future__ import annotations

import html
import re

#: What would move the cursor, colour a terminal, reverse the writing, or not be seen at all.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: What means something in a Markdown document: anywhere, in an address, or at the start of a line.
_MARKDOWN = re.compile(r"[\\`*_{}\[\]#!|~<>&$^@]|:(?=//)|(?<=www)\.|^[-+=:]|^\d{1,9}[.)](?=\s|$)", re.IGNORECASE)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_CODE = re.compile(r"`([^`]+)`")


def _shown(match: re.Match[str]) -> str:
    char = match[0]
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def visible(text: object) -> str:
    r"""The text with each control and invisible character written out; safe for a terminal.

    >>> print(visible("a\nb\x1b[31m"))
    a\nb\x1b[31m
    """
    return _INVISIBLE.sub(_shown, str(text))


def html_text(text: object) -> str:
    """The text for HTML, between tags and in quoted attributes."""
    return html.escape(visible(text), quote=True)


def html_prose(text: object) -> str:
    """A sentence for HTML; what stands between `backticks` is set as code, all else is text."""
    return _CODE.sub(r"<code>\1</code>", html_text(text))


def plotly_text(text: object) -> str:
    """The text for a label in a plotly figure, which takes HTML tags and TeX between dollars, and fills in %{...}."""
    return html_text(text).replace("$", "&#36;").replace("%{", "&#37;{")


def markdown_text(text: object) -> str:
    """The text for Markdown, with everything escaped that could be markup, a link or HTML."""
    shown = visible(text).strip()
    return _MARKDOWN.sub(lambda match: _ENTITIES.get(match[0], f"{match[0][:-1]}\\{match[0][-1]}"), shown)


def shorten(text: object, length: int) -> str:
    """The text cut to so many characters, with an ellipsis where something was cut."""
    shown = visible(text)
    return shown if len(shown) <= length else shown[: length - 1].rstrip() + "…"
