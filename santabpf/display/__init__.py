"""What people look at, in a notebook and in the HTML report alike: figures, lanes, words and tables.

In: plain values (strings, numbers, a figure as JSON). Out: display bundles (mime type -> data) that JupyterLab shows
and that the report's template turns into one offline page. Never: a recording, a path, plotly's Python side.

    escape.py    text from a node -> text that can do no harm in HTML, plotly, Markdown or a terminal
    words.py     paragraphs, tiles, tables, details: one value, three renderings
    figure.py    a plotly figure -> a bundle with application/vnd.plotly.v1+json first, without the upload button
    lanes.py     thousands of boxes in time -> a canvas, and a small still picture where no script runs
    flame.py     a tree of stacks -> a flame graph on a canvas, likewise
    page.py      the parts of the HTML page that do not come from the notebook: styles, scripts, their hashes
"""

from __future__ import annotations

from .escape import visible
from .figure import Figure
from .flame import Flame
from .lanes import Lanes
from .words import Badge, Details, Note, Paragraph, Steps, Table, Tiles, Words

__all__ = [
    "Badge", "Details", "Figure", "Flame", "Lanes", "Note", "Paragraph", "Steps", "Table", "Tiles", "Words", "visible",
]
