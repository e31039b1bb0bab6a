"""A user's own model in Python, judged by the same just-in-time search as the built-in ones.

>>> from quorate.checkers.custom import Model, check_custom
>>> from quorate.harness.history import Event
>>> def step(state, f, argument, result, known):
...     if f == "set":
...         return [argument]
...     return [state] if not known or result == state else []
>>> events = [
...     Event(0, 0, 1, "invoke", "set", None, 3), Event(1, 1, 1, "ok", "set", None, 3),
...     Event(2, 2, 2, "invoke", "get"), Event(3, 3, 2, "ok", "get", None, 4),
... ]
>>> check_custom(events, Model(name="box", initial=None, step=step)).verdict.value
'invalid'
"""

from __future__ import annotations

from quorate.checkers.custom.check import check_custom
from quorate.checkers.custom.model import Model

__all__ = ["Model", "check_custom"]
