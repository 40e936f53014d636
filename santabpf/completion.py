"""Tab behind `rec["exec"]`: IPython asks nothing for an item while it completes, but what it was told is safe to ask.

In: a class whose items are looked up, not computed. Out: the same class. Never: imports IPython where nobody else has.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext

_Class = TypeVar("_Class", bound=type)
_BEHIND_AN_ITEM = re.compile(r"\]\.\w*$")


def looks_up(kind: _Class) -> _Class:
    """Let IPython's completer ask instances of this class for items and attributes."""
    if "IPython" in sys.modules:
        from IPython.core.guarded_eval import EVALUATION_POLICIES, SelectivePolicy

        limited = EVALUATION_POLICIES["limited"]  # the one that holds unless people choose another
        assert isinstance(limited, SelectivePolicy)
        known: Any = kind
        limited.allowed_getitem.add(known)
        limited.allowed_getattr.add(known)
    return kind


def _add_matcher(completer: Any) -> None:
    """Offer what IPython itself knows behind an item: where jedi completes attributes, it is not asked, and jedi, which
    takes no item, does not know."""
    from IPython.core.completer import context_matcher

    @context_matcher(identifier="santabpf")  # type: ignore[untyped-decorator]
    def behind_an_item(context: CompletionContext) -> Any:
        asked = completer.use_jedi and _BEHIND_AN_ITEM.search(context.text_until_cursor)
        return completer.python_matcher(context) if asked else {"completions": []}

    completer.custom_matchers.append(behind_an_item)


if "IPython" in sys.modules:
    from IPython.core.getipython import get_ipython

    if (_shell := get_ipython()) is not None:
        _add_matcher(_shell.Completer)
