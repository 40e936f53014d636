"""The words of a report: a few kinds of block, each of which knows how it looks as HTML, Markdown and plain text.

In: strings and numbers already formatted for people. Out: one bundle with the three renderings. Never: markup from
outside: each block escapes what it is given, and only a Note, which is our own words, sets `this` as code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from .escape import html_prose, html_text, markdown_text, shorten, visible
from .page import notebook_style

State = Literal["fired", "quiet", "cannot_tell"]
STATES: dict[str, str] = {"fired": "Fired", "quiet": "Quiet", "cannot_tell": "Cannot tell"}


class Block(Protocol):
    """Anything that can stand in Words."""

    def html(self) -> str:
        """As HTML; everything from outside escaped."""

    def markdown(self) -> str:
        """As CommonMark with tables."""

    def text(self) -> str:
        """For a terminal: no escape codes."""


@runtime_checkable
class Scripted(Protocol):
    """A block that is drawn by a script."""

    def script(self) -> str:
        """What a notebook needs after it, once."""


@dataclass(frozen=True)
class Badge:
    """A verdict, big and clear: its state, what it is about, and one sentence."""

    state: str
    title: str
    sentence: str = ""

    def html(self) -> str:
        """See Block."""
        kind = self.state if self.state in STATES else "cannot_tell"
        return (
            f'<div class="santa-badge santa-{kind}"><div class="santa-state">{html_text(STATES[kind])}</div>'
            f'<div class="santa-badge-body"><div class="santa-title">{html_text(self.title)}</div>'
            + (f"<p>{html_text(self.sentence)}</p>" if self.sentence else "")
            + "</div></div>"
        )

    def markdown(self) -> str:
        """See Block."""
        head = f"**{STATES.get(self.state, self.state).upper()}**: {markdown_text(self.title)}"
        return head + (f"\n\n{markdown_text(self.sentence)}" if self.sentence else "")

    def text(self) -> str:
        """See Block."""
        head = f"[{STATES.get(self.state, self.state).upper()}] {visible(self.title)}"
        return head + (f"\n{visible(self.sentence)}" if self.sentence else "")


@dataclass(frozen=True)
class Paragraph:
    """One or more sentences."""

    sentence: str

    def html(self) -> str:
        """See Block."""
        return f"<p>{html_text(self.sentence)}</p>"

    def markdown(self) -> str:
        """See Block."""
        return markdown_text(self.sentence)

    def text(self) -> str:
        """See Block."""
        return visible(self.sentence)


@dataclass(frozen=True)
class Note(Paragraph):
    """A sentence about what is shown: what was left out, or why there is nothing."""

    def html(self) -> str:
        """See Block."""
        return f'<p class="santa-note">{html_prose(self.sentence)}</p>'


@dataclass(frozen=True)
class Heading(Paragraph):
    """A small heading inside a section."""

    def html(self) -> str:
        """See Block."""
        return f"<h3>{html_text(self.sentence)}</h3>"

    def markdown(self) -> str:
        """See Block."""
        return f"### {markdown_text(self.sentence)}"


@dataclass(frozen=True)
class Code(Paragraph):
    """A command or a query, line by line as it is."""

    def html(self) -> str:
        """See Block."""
        return "<pre><code>" + "\n".join(html_text(line) for line in self.sentence.split("\n")) + "</code></pre>"

    def markdown(self) -> str:
        """See Block."""
        return "\n".join("    " + visible(line) for line in self.sentence.split("\n"))

    def text(self) -> str:
        """See Block."""
        return self.markdown()


@dataclass(frozen=True)
class Steps:
    """A list; numbered where the order matters. A hint stands below its sentence, '' for none."""

    sentences: Sequence[str]
    ordered: bool = False
    hints: Sequence[str] = ()

    def _pairs(self) -> list[tuple[str, str]]:
        return list(zip(self.sentences, self.hints or [""] * len(self.sentences), strict=True))

    def html(self) -> str:
        """See Block."""
        tag = "ol" if self.ordered else "ul"
        return f"<{tag}>" + "".join(
            f"<li>{html_text(s)}" + (f'<div class="santa-hint">{html_text(hint)}</div>' if hint else "") + "</li>"
            for s, hint in self._pairs()
        ) + f"</{tag}>"

    def _lines(self, mark: Any) -> str:
        return "\n".join(
            f"{f'{n}.' if self.ordered else '-'} {mark(s)}" + (f" {mark(hint)}" if hint else "")
            for n, (s, hint) in enumerate(self._pairs(), 1)
        )

    def markdown(self) -> str:
        """See Block."""
        return self._lines(markdown_text)

    def text(self) -> str:
        """See Block."""
        return self._lines(visible)


class Tile(NamedTuple):
    """One number that matters: what it is, the number, and a word about it."""

    label: str
    value: str
    hint: str = ""


@dataclass(frozen=True)
class Tiles:
    """A row of numbers that matter."""

    tiles: Sequence[Tile]

    def html(self) -> str:
        """See Block."""
        return '<div class="santa-tiles">' + "".join(
            f'<div class="santa-tile"><div class="santa-label">{html_text(tile.label)}</div>'
            f'<div class="santa-value{" santa-long" if len(tile.value) > 16 else ""}">{html_text(tile.value)}</div>'
            + (f'<div class="santa-hint">{html_text(tile.hint)}</div>' if tile.hint else "") + "</div>"
            for tile in self.tiles
        ) + "</div>"

    def _lines(self, mark: Any) -> list[str]:
        return [f"{mark(t.label)}: {mark(t.value)}" + (f" ({mark(t.hint)})" if t.hint else "") for t in self.tiles]

    def markdown(self) -> str:
        """See Block."""
        return "\n".join(f"- {line}" for line in self._lines(markdown_text))

    def text(self) -> str:
        """See Block."""
        return "\n".join(self._lines(visible))


class Col(NamedTuple):
    """How one column of a table is shown: text, number (right-aligned), code, bar (a number with its share), or told
    (words, with the name of what they tell of).

    about: what it means, for who points at its title; '' for nothing.
    """

    title: str
    kind: Literal["text", "number", "code", "bar", "told"] = "text"
    about: str = ""


@dataclass(frozen=True)
class Table:
    """Rows and columns; an empty table shows its note instead.

    A cell of a `bar` column is (text, share 0..1), one of a `told` column (words, name).
    """

    columns: Sequence[Col]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    empty: str = "Nothing to show."
    keep_empty: bool = False  # draw the frame without rows too: a table to be filled in by people
    caption: str = ""
    lit: int | None = None  # so many rows, the first ones, are what is looked for, and the others are dimmed

    def _cell(self, column: Col, cell: Any) -> str:
        if column.kind == "bar":
            label, share = cell
            width = max(0.0, min(1.0, float(share))) * 100
            return f'<td class="santa-num santa-bar" style="--share:{width:.1f}%">{html_text(label)}</td>'
        if column.kind == "told":
            words, name = cell
            return f'<td class="santa-told">{html_text(words)}<div class="santa-hint">{html_text(name)}</div></td>'
        if column.kind == "code" and cell != "":
            kind = "santa-code santa-short" if len(str(cell)) <= 24 else "santa-code"
            return f'<td class="{kind}"><code>{html_text(cell)}</code></td>'
        return f"<td{' class=santa-num' if column.kind == 'number' else ''}>{html_text(cell)}</td>"

    def html(self) -> str:
        """See Block."""
        if not self.rows and not self.keep_empty:
            return Note(self.empty).html()
        head = "".join(
            f"<th{' class=santa-num' if c.kind in ('number', 'bar') else ''} scope=col"
            + (f' title="{html_text(c.about)}"' if c.about else "") + f">{html_text(c.title)}</th>"
            for c in self.columns
        )
        body = "".join(
            f"<tr{'' if self.lit is None or at < self.lit else ' class=santa-dim'}>"
            + "".join(self._cell(c, cell) for c, cell in zip(self.columns, row, strict=True)) + "</tr>"
            for at, row in enumerate(self.rows)
        ) or ("<tr class=santa-blank>" + "<td>&nbsp;</td>" * len(self.columns) + "</tr>") * 3
        caption = f"<caption>{html_text(self.caption)}</caption>" if self.caption else ""
        return (
            f'<div class="santa-scroll"><table class="santa-table">{caption}<thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>" + (Note(self.note).html() if self.note else "")
        )

    def _plain(self, most: int | None = None) -> list[list[str]]:
        """Each cell as text; most: characters of one, but that the name of what is told is not cut."""

        def plain(kind: str, cell: Any) -> str:
            text, name = (cell[0], f" ({visible(cell[1])})") if kind == "told" else (cell, "")
            said = visible(text[0] if kind == "bar" else text)
            return (shorten(said, most) if most else said) + name

        return [[plain(c.kind, cell) for c, cell in zip(self.columns, row, strict=True)] for row in self.rows]

    def markdown(self) -> str:
        """See Block."""
        if not self.rows and not self.keep_empty:
            return markdown_text(self.empty)
        lines = [f"**{markdown_text(self.caption)}**", ""] if self.caption else []
        lines.append("| " + " | ".join(markdown_text(c.title) for c in self.columns) + " |")
        lines.append("|" + "|".join(" ---: " if c.kind in ("number", "bar") else " --- " for c in self.columns) + "|")
        rows = self._plain() or [[" "] * len(self.columns)] * 3
        lines += ["| " + " | ".join(markdown_text(cell) for cell in row) + " |" for row in rows]
        return "\n".join(lines) + (f"\n\n{markdown_text(self.note)}" if self.note else "")

    def text(self) -> str:
        """See Block."""
        if not self.rows:
            return visible(self.empty)
        table = [[visible(c.title) for c in self.columns]]
        table += self._plain(60)
        widths = [max(len(row[i]) for row in table) for i in range(len(self.columns))]
        right = [c.kind in ("number", "bar") for c in self.columns]
        lines = [
            "  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True))
            for row in table
        ]
        return "\n".join([*([visible(self.caption)] if self.caption else []), *(x.rstrip() for x in lines),
                          *([visible(self.note)] if self.note else [])])


@dataclass(frozen=True)
class Details:
    """A sentence that opens to show what it rests on."""

    sentence: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    aside: str = ""  # a few words at its right: where it comes from
    lead: str = ""  # a few words before it, set off
    folded: bool = False  # too long for where nothing can be opened: left out of Markdown

    def html(self) -> str:
        """See Block."""
        lead = f"<b>{html_text(self.lead)}</b> " if self.lead else ""
        if not self.blocks:
            return f"<p>{lead}{html_text(self.sentence)}</p>"
        aside = f'<span class="santa-aside">{html_text(self.aside)}</span>' if self.aside else ""
        inside = "".join(block.html() for block in self.blocks)
        return (
            f'<details class="santa-details"><summary><span>{lead}{html_text(self.sentence)}</span>{aside}</summary>'
            f'<div class="santa-inside">{inside}</div></details>'
        )

    def markdown(self) -> str:
        """See Block."""
        if self.folded:
            return ""
        aside = f" *({markdown_text(self.aside)})*" if self.aside else ""
        lead = f"**{markdown_text(self.lead)}** " if self.lead else ""
        inside = filter(None, (block.markdown() for block in self.blocks))
        return "\n\n".join([lead + markdown_text(self.sentence) + aside, *inside])

    def text(self) -> str:
        """See Block."""
        aside = f" ({visible(self.aside)})" if self.aside else ""
        lead = f"{visible(self.lead)} " if self.lead else ""
        return "\n".join([lead + visible(self.sentence) + aside, *(block.text() for block in self.blocks)])


class Words:
    """Blocks, one below the other; shows itself in a notebook, prints itself in a terminal."""

    def __init__(self, *blocks: Block) -> None:
        self.blocks = blocks

    def html(self) -> str:
        """All blocks as one HTML element."""
        return '<div class="santa">' + "".join(block.html() for block in self.blocks) + "</div>"

    def markdown(self) -> str:
        """All blocks as Markdown."""
        return "\n\n".join(filter(None, (block.markdown() for block in self.blocks)))

    def __str__(self) -> str:
        return "\n".join(block.text() for block in self.blocks)

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        scripts = "".join(sorted({block.script() for block in self.blocks if isinstance(block, Scripted)}))
        return {"text/html": notebook_style() + self.html() + scripts, "text/markdown": self.markdown(),
                "text/plain": str(self)}
