"""A comparison as one HTML page that opens offline. In: a Comparison. Out: text."""

from __future__ import annotations

from .. import __version__
from ..report import outputs_to_html
from .comparison import Comparison


def page(found: Comparison) -> str:
    """The ranking, its chart, and the differential flame graphs of what was recorded with stacks."""
    outputs = [found, found.chart(), *(found.flame(table) for table in found.stack_tables)]
    return outputs_to_html("What changed", f"Made by SantaBPF {__version__}. This page is one file.", outputs)
