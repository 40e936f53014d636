"""The same report as Markdown and as PDF: whole, and harmless whatever a node's processes are called."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import mistune
import pytest
import synthetic
from books import NotebookMaker

import santabpf as sb
from santabpf.display.escape import visible
from santabpf.errors import BadUsage, ReportFailed
from santabpf.recording import Recording
from santabpf.report import Report, pdf


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def written(hostile: Recording, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return sb.report(hostile, tmp_path_factory.mktemp("formats") / "friday.md")


def test_markdown_has_every_section_and_the_evidence_in_tables(written: Report) -> None:
    text = written.path.read_text()
    assert sorted(path.name for path in written.path.parent.iterdir()) == [
        "friday.ipynb", "friday.md", "friday.verdict.json"]
    wanted = ["Summary", "Impact", "Timeline", "Cause", "How it was detected", "Ruled out", "What could not be told",
              "What to do next", "Action items", "Lessons", "Receipt"]
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == wanted
    page = mistune.create_markdown(escape=False, plugins=["table"])(text)
    assert isinstance(page, str)
    said = Page(page).text
    for verdict in written.verdicts:
        assert visible(verdict.title) in said
        assert verdict.digest in said
        for evidence in (e for s in (*verdict.summary, *verdict.could_not_tell) for e in map(verdict.find, s.evidence)):
            assert visible(evidence.title) in said
    assert "<th" in page
    assert "SELECT" not in text, "queries are in the page and in the verdicts"


def test_hostile_names_are_text_in_markdown(written: Report) -> None:
    page = mistune.create_markdown(escape=False, plugins=["table", "url", "strikethrough"])(written.path.read_text())  # type: ignore[arg-type]
    assert isinstance(page, str)
    parsed = Page(page)
    assert parsed.tags <= {"h1", "h2", "h3", "p", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "hr",
                           "strong", "em", "pre", "code"}
    shown = re.sub(r"\s+", " ", parsed.text)
    assert [text for text in synthetic.HOSTILE if visible(text) not in shown] == []
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_a_failed_cell_and_plain_output_are_code_in_markdown(
    recording: Recording, notebook: NotebookMaker, tmp_path: Path
) -> None:
    made = sb.report(recording, tmp_path / "x.md", notebook=notebook("print('<b>\\x1b[31m``` fine')", "1 / 0"))
    text = made.path.read_text()
    assert made.exit_code == 1
    assert "\n    <b>``` fine\n" in text
    assert "**This cell failed:**" in text
    assert "ZeroDivisionError" in text


def test_an_unknown_format_is_refused(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="no format 'doc'"):
        sb.report(recording, tmp_path / "x.html", formats=["doc"])
    assert list(tmp_path.iterdir()) == []


def test_without_a_browser_a_pdf_is_said_to_be_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    with pytest.raises(ReportFailed, match="apt-get install chromium"):
        pdf.to_pdf("<p>")
    monkeypatch.setattr(pdf, "BROWSERS", ("false",))
    with pytest.raises(ReportFailed, match="printed no PDF: exit code 1"):
        pdf.to_pdf("<p>")


@pytest.mark.browser
def test_the_page_becomes_a_pdf_of_several_sheets(made: Report) -> None:
    printed = pdf.to_pdf(made.path.read_text())
    assert printed.startswith(b"%PDF-")
    assert printed.rstrip().endswith(b"%%EOF")
    sheets = re.findall(rb"/Type\s*/Page\b", printed)
    assert 3 <= len(sheets) <= 40
