"""Verdicts as text and Markdown: whatever was recorded shows as text and does nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_up_node import World

from santabpf.replay import replay
from santabpf.scenarios import visible
from santabpf.verdict import Verdict, format_cell
from santabpf.verdict.render import markdown_text

HOSTILE = [
    "<script>alert(1)</script>",
    "<a href='http://evil.example'>x</a>",
    "<img src=x onerror=alert(1)>",
    "`rm -rf /`",
    "a|b|c",
    "[x](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "line\nbreak\r\n# head",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "\u202egpj.exe",
    "\u200bzero",
    "{{ 7 * 7 }}",
    "$x^2$",
    "&lt;b&gt;",
    "http://evil.example/?a=1",
    "www.evil.example",
    "me@evil.example",
    "~~x~~ **b** __i__ *e*",
    "\x00\x07\x08",
    "\\xff\\n",
    "1. one",
    "- two",
    "# three",
    "\u2028sep",
    "e\u0301",
]


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """Everybody has a hostile name."""
    world = World(16)
    evil = world.lives(HOSTILE[0][:15], tgid=900, parent=world.init, argv=HOSTILE, cgroup=HOSTILE[1])
    for n in range(200):
        world.run(evil, ["/bin/sh", "-c", *HOSTILE], 3 + n / 25, 30, 25, comm="\x1b[1m<b>`|x\n"[:15], cgroup=HOSTILE[1])
    (made,) = replay(world.write(tmp_path_factory.mktemp("evil") / "r"), ["short_lived_jobs"]).verdicts
    assert made.state == "fired"
    return made


def test_text_for_a_terminal_holds_no_control_character(verdict: Verdict) -> None:
    text = verdict.to_text()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", text)
    assert "\\x1b[31mred" in text
    assert "<script>alert(1)</script>" in text


def test_every_line_of_the_text_is_ours(verdict: Verdict) -> None:
    assert all(line == "" or line.startswith(("FIRED: ", "  ")) for line in verdict.to_text().split("\n"))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if ("class", "anchor-link") not in attrs:  # which nbconvert puts beside each heading
            self.found.add(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_markdown_becomes_html_without_a_link_an_image_or_a_script(verdict: Verdict) -> None:
    from nbconvert.filters.markdown_mistune import markdown2html_mistune  # what a notebook uses

    parser = _Tags()
    parser.feed(markdown2html_mistune(verdict.to_markdown()))
    assert parser.found <= {"h1", "h2", "h3", "ul", "li", "p", "table", "thead", "tbody", "tr", "th", "td", "div"}
    for hostile in ("<script>alert(1)</script>", "`rm -rf /`", "a|b|c", "[x](http://evil.example)", "$x^2$"):
        assert hostile in parser.words, hostile


@pytest.mark.parametrize("hostile", HOSTILE)
def test_markdown_text_shows_the_very_characters(hostile: str) -> None:
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    parser = _Tags()
    parser.feed(markdown2html_mistune(f"| a |\n| --- |\n| {markdown_text(hostile)} |\n\n- {markdown_text(hostile)}\n"))
    assert parser.found <= {"ul", "li", "table", "thead", "tbody", "tr", "th", "td", "div", "p"}
    assert parser.words.count(visible(hostile)) == 2


def test_markdown_tables_keep_their_columns(verdict: Verdict) -> None:
    width = None
    for line in verdict.to_markdown().split("\n"):
        if not line.startswith("|"):
            width = None
            continue
        bars = len(re.findall(r"(?<!\\)\|", line))
        assert width in (None, bars), line
        width = bars


def test_cells_are_formatted_by_the_unit_in_their_columns_name() -> None:
    assert format_cell("cpu_ns", 1_500_000) == "1.5 ms"
    assert format_cell("ts_ns", 1_800_000_000_123_000_000) == "2027-01-15 08:00:00.123"
    assert format_cell("from_ns", 1_800_000_000_123_000_000) == "2027-01-15 08:00:00.123"
    assert format_cell("start_ns", 1_500_000) == "1500000"
    assert format_cell("rss_bytes", 2048) == "2 KiB"
    assert format_cell("share_ppm", 125_000) == "12 %"
    assert format_cell("rate_thousandths", 95_250) == "95.2"
    assert format_cell("argv", ["sh", "-c", "a b\n"]) == "sh -c 'a b\\n'"
    assert format_cell("comm", None) == ""
    assert format_cell("jobs", 7) == "7"


def test_a_verdict_survives_a_real_terminal_pager(verdict: Verdict, tmp_path: Path) -> None:
    if shutil.which("cat") is None:
        pytest.skip("no cat here")
    path = tmp_path / "v.txt"
    path.write_text(verdict.to_text())
    shown = subprocess.run(["cat", "-v", str(path)], capture_output=True, text=True, check=True).stdout
    assert "^[" not in shown
