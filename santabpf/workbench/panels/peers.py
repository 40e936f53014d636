"""Who this node talked to: by address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...display.words import Col, Words
from ..part import Part, not_recorded, sentence
from ..ranking import Measure, rank
from ..view import Filter

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "network", 0
TITLE = "Peers"
ABOUT = "The other ends of connections and questions. Click a row to see only what has to do with it."
MEASURES = (
    Measure("connections", "tcp", "count(*)", "count"),
    Measure("failed", "tcp", "count(*) FILTER (ended NOT IN ('closed'))", "count"),
    Measure("sent", "tcp", "sum(sent_bytes)", "bytes"),
    Measure("received", "tcp", "sum(received_bytes)", "bytes"),
    Measure("sent again", "tcp_loss", "count(*) FILTER (event IN ('retransmit', 'syn', 'synack'))", "count"),
    Measure("resets", "tcp_loss", "count(*) FILTER (event LIKE 'reset%')", "count"),
    Measure("waited to be accepted", "accept", "sum(wait_ns)", "ns"),
    Measure("DNS questions", "dns", "count(*)", "count"),
    Measure("DNS waiting", "dns", "sum(waited_ns)", "ns"),
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
    made = rank(lens, view, MEASURES, keys, {0: Col("peer", "code")}, "Nobody was talked to in this window.")
    return [Part(Words(made.table), [Filter("peer", key[0]) for key in made.keys])]
