"""A recording played in a notebook: play, pause, speed, step, scrub; signals up to now, lights and lines as they come.

In: a recording. Out: a widget. Never: SQL while it plays: the player holds what the replay computed, and the browser
gets the whole chart once, with a cover over what has not come yet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from ..charts import signals as chart
from ..charts.look import times
from ..display import Figure
from ..errors import SantaError
from ..postmortem.pictures import about_signals
from ..recording import Recording
from ..recording import open as open_recording
from ..replay import replay
from ..units import MS, SECOND, format_duration, format_utc, second_of
from .board import Board, spans
from .chart import Chart
from .pane import Pane
from .player import SPEEDS, Player

if TYPE_CHECKING:
    from ..replay import Result

#: How often it moves; s.
TICK_S = 0.2
#: One notch of the slider. Whole numbers: the browser sends a fraction back slightly changed, as if it had been moved.
NOTCH_NS = 100 * MS
MOST_PANELS = 4
#: Where no alarm was raised, the signals of so many scenarios are drawn.
MOST_QUIET = 2


def play(
    recording: Recording | str | Path, scenarios: Iterable[str] | None = None, *, result: Result | None = None
) -> PlayerPanel | Pane:
    """Play a recording as if it were live, at 0.5x to 60x or second by second, to and fro.

    scenarios  as for replay()
    result     of a replay that was made already, so that nothing is judged twice

    Returns: a widget, whose .player can be driven from Python too. A recording that can't be played gives a sentence.
    """
    try:
        found = recording if isinstance(recording, Recording) else open_recording(recording)
        return PlayerPanel(Player(result or replay(found, scenarios)))
    except SantaError as exc:
        pane = Pane()
        pane.say(str(exc))
        return pane


def drawing(result: Result, start_ns: int, end_ns: int) -> Figure | None:
    """The signals that alarms were raised on, with the alarms in the states that they had then; None for no signal."""
    raised = list(dict.fromkeys(event.scenario for event in result.events))
    names = raised or list(dict.fromkeys(verdict.scenario for verdict in result.ranked))[:MOST_QUIET]
    table = result.signals[result.signals["scenario"].isin(names)]
    info = chart.info(table, spans(result.events), **about_signals(names))
    if not info.panels:
        return None
    figure = chart.figure(chart.foremost(info, MOST_PANELS), uirevision=str(start_ns))
    figure.update_xaxes(range=times([start_ns, end_ns]))
    return Figure(figure, "signals up to now")


class PlayerPanel(widgets.VBox):  # type: ignore[misc]
    """Controls, lights, signals and lines for a Player. While it plays, a thread moves it on."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self._lock = threading.RLock()
        self._moving = False  # the slider is being set by us, not by hand
        self._button = widgets.Button(icon="play", tooltip="Play", layout={"width": "48px"})
        self._button.add_class("santa-play")
        steps = [_step_button(self, seconds) for seconds in (-10, -1, 1, 10)]
        self._speed = widgets.Dropdown(
            options=[(f"{speed:g}×", speed) for speed in SPEEDS], value=player.speed, tooltip="Speed",
            layout={"width": "80px"},
        )  # fmt: skip
        self._slider = widgets.IntSlider(
            min=0, max=(player.end_ns - player.start_ns) // NOTCH_NS, readout=False, tooltip="Scrub",
            layout={"flex": "1 1 200px", "min_width": "160px"},
        )  # fmt: skip
        self._slider.add_class("santa-scrub")
        self._clock = widgets.Label(layout={"width": "230px"})
        self._clock.add_class("santa-clock")
        self._lights, self._lines, self._chart = Pane(), Pane(), Chart()
        figure = drawing(player.result, player.start_ns, player.end_ns)
        if figure is None:
            self._chart.say("This recording holds no signal to draw.")
        else:
            self._chart.draw(figure)
        self._button.on_click(lambda _: self.pause() if player.playing else self.play())
        self._speed.observe(self._set_speed, "value")
        self._slider.observe(self._scrub, "value")
        row = widgets.HBox([*steps[:2], self._button, *steps[2:], self._speed, self._slider, self._clock],
                           layout={"align_items": "center", "flex_flow": "row wrap", "margin": "0 0 8px 0"})
        super().__init__([row, self._lights, self._chart, self._lines])
        self.refresh()

    def play(self) -> None:
        """Play from here on."""
        with self._lock:
            if not self.player.playing:
                self.player.play()
                threading.Thread(target=self._go_on, name="player", daemon=True).start()
        self.refresh()

    def pause(self) -> None:
        """Stay here."""
        with self._lock:
            self.player.pause()
        self.refresh()

    def step(self, seconds: int) -> None:
        """So many seconds on, or back."""
        with self._lock:
            self.player.step(seconds)
        self.refresh()

    def seek(self, at_ns: int) -> None:
        """Go there; UTC ns."""
        with self._lock:
            self.player.seek(at_ns)
        self.refresh()

    def refresh(self) -> None:
        """Show what was known where the player is."""
        with self._lock:
            player = self.player
            gone, whole = player.at_ns - player.start_ns, player.end_ns - player.start_ns
            self._moving = True
            self._slider.value = gone // NOTCH_NS
            self._moving = False
            self._lights.draw(Board(player.lights, None))
            self._lines.draw(Board(None, player.events))
            self._chart.now = second_of(player.at_ns) / MS  # a second is known when it is over
            self._button.icon, self._button.tooltip = ("pause", "Pause") if player.playing else ("play", "Play")
            self._clock.value = (
                f"{format_utc(player.at_ns, date=False)[:10]} UTC · "
                f"{format_duration(second_of(gone)) if gone >= SECOND else '0 s'} of {format_duration(whole)}"
            )

    def _go_on(self) -> None:
        before = time.monotonic()
        while self.player.playing:
            time.sleep(TICK_S)
            with self._lock:
                now = time.monotonic()
                self.player.tick(now - before)
                before = now
                self.refresh()

    def _set_speed(self, change: Any) -> None:
        self.player.speed = change["new"]

    def _scrub(self, change: Any) -> None:
        if not self._moving:
            self.seek(self.player.start_ns + change["new"] * NOTCH_NS)


class PlayerBox(widgets.Accordion):  # type: ignore[misc]
    """A closed box that makes the player when it is opened first: judging and drawing cost nothing before that."""

    def __init__(self, make: Callable[[], widgets.Widget]) -> None:
        self._make = make
        super().__init__([widgets.VBox()], titles=("Play it as if it were live",), layout=widgets.Layout(width="100%"))
        self.observe(self._opened, "selected_index")

    def _opened(self, change: Any) -> None:
        if change["new"] == 0 and not self.children[0].children:
            self.children[0].children = (self._make(),)


def _step_button(panel: PlayerPanel, seconds: int) -> widgets.Button:
    words = f"{'+' if seconds > 0 else '−'}{abs(seconds)} s"
    button = widgets.Button(description=words, tooltip=f"{'On' if seconds > 0 else 'Back'} by {abs(seconds)} s",
                            layout={"width": "60px"})
    button.on_click(lambda _: panel.step(seconds))
    return button
