"""Who this node talked to: by address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...display.words import Col, Words
from ..part import Part, left, not_recorded, only_recorded, sentence
from ..ranking import Measure, rank
from ..view import Filter

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "network", 0
TITLE = "Peers"
ABOUT = "The other ends of connections and questions. Click a row to see only what has to do with it."
MEASURES = (
    Measure("connections", "tcp", "count(*)", "count", "TCP connections that ended, or could not be made."),
    Measure("failed", "tcp", "count(*) FILTER (ended NOT IN ('closed'))", "count",
            "Those that did not end in order: refused, reset, timed out."),
    Measure("sent", "tcp", "sum(sent_bytes)", "bytes"),
    Measure("received", "tcp", "sum(received_bytes)", "bytes"),
    Measure("sent again", "tcp_loss", "count(*) FILTER (event IN ('retransmit', 'syn', 'synack'))", "count",
            "Segments that had to be sent once more: lost on the way, or answered too late."),
    Measure("resets", "tcp_loss", "count(*) FILTER (event LIKE 'reset%')", "count",
            "Connections that one side broke off."),
    Measure("waited to be accepted", "accept", "sum(wait_ns)", "ns",
            "How long its connections waited until a program here took them, added up."),
    Measure("DNS questions", "dns", "count(*)", "count"),
    Measure("DNS waiting", "dns", "sum(waited_ns)", "ns", "How long was waited for its answers, added up."),
    Measure("DNS unanswered", "dns", "count(*) FILTER (ended <> 'answered')", "count"),
    Measure("log-ins", "auth", "count(*)", "count"),
)
_PEERS = {"tcp": "remote_ip", "tcp_loss": "remote_ip", "accept": "remote_ip", "dns": "server_ip", "auth": "remote_ip"}


def parts(investigation: Investigation) -> list[Part]:
    """One table; a click on a row filters by the address."""
    lens, view = investigation.lens, investigation.view
    if not any(lens.has(table) for table in _PEERS):
        return [sentence(not_recorded("connections", "tcp", "dns"))]
    keys = {table: (column,) for table, column in _PEERS.items() if lens.has(table)}
    made = rank(lens, view, MEASURES, keys, {0: Col("peer", "code")},
                left(view, "nobody was talked to in this window."), only_recorded(lens, "peers", list(keys), "tcp"))
    return [Part(Words(made.table), [Filter("peer", key[0]) for key in made.keys])]
