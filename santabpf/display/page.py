"""What the HTML page needs besides the notebook: styles, scripts, and a policy that lets only these scripts run.

In: files beside this one, and plotly.js as text. Out: strings for the template. Never: a network address.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

#: Where the page template and its settings lie, for nbconvert.
TEMPLATES = resources.files(__package__).joinpath("templates")

#: The canvas of flame graphs, in the order in which they are loaded; after unpack.js.
FLAME_SCRIPTS = ("flame_tree.js", "flame_words.js", "flame.js")


@cache
def asset(name: str) -> str:
    """A style or script of this room."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8").strip()


@cache
def notebook_style() -> str:
    """The style of our words, for an output in a notebook; the page has it once in its head."""
    return f"<style>{asset('words.css')}</style>"


@cache
def notebook_script() -> str:
    """The canvas of lanes, for an output in a trusted notebook; the page has it once at its end."""
    return f"<script>{asset('unpack.js')}\n{asset('lanes.js')}\nsantaLanes();</script>"


@cache
def flame_script() -> str:
    """The canvas of flame graphs, likewise."""
    scripts = "\n".join(map(asset, ("unpack.js", *FLAME_SCRIPTS)))
    return f"<script>{scripts}\nsantaFlames();</script>"


def plotly_js() -> str:
    """The whole of plotly.js, as the plotly package carries it."""
    return resources.files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8")


def script_hash(text: str) -> str:
    """How a Content-Security-Policy names a script that may run."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def policy(*scripts: str) -> str:
    """Only these scripts, our styles and pictures from within; no connection to anywhere, for any purpose."""
    return (
        f"default-src 'none'; script-src {' '.join(map(script_hash, scripts))}; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )


def packed(text: str) -> str:
    """gzip and base64; the page unpacks it with DecompressionStream. The same text gives the same bytes."""
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()  # 9: 5 % less, in three times the time


def unpacked(text: str) -> str:
    """What was packed. Raises ValueError, OSError or EOFError where it is broken."""
    return gzip.decompress(base64.b64decode(text, validate=True)).decode()


def inline_json(value: Any) -> str:
    """JSON that can stand in a <script> element: `<` cannot end it or begin another."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page_resources(plotly_js: str) -> dict[str, Any]:
    """All that the template asks for, by name; plotly_js is empty where there is no figure."""
    main = "\n".join(map(asset, ("unpack.js", "lanes.js", *FLAME_SCRIPTS, "santa.js")))
    return {
        "santa_style": asset("page.css") + "\n" + asset("words.css"),
        "santa_script": main,
        "santa_policy": policy(main, *filter(None, [plotly_js])),
        "santa_plotly": packed(plotly_js) if plotly_js else "",
        "santa_notebook_style": notebook_style(),
        "santa_notebook_script": notebook_script(),
        "santa_flame_script": flame_script(),
    }
