"""Models that are judged by their own near-linear rule: bank, long fork, monotonic reads and the like.

A module of this package that holds a `MODEL` is a model: `quorate list models`, `--as` and `check` find it by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from quorate.checkers.objects.model import ObjectModel


@cache
def object_models() -> dict[str, ObjectModel]:
    """Return the models of this package by name, sorted."""
    modules = (importlib.import_module(f"{__name__}.{one.name}") for one in pkgutil.iter_modules(__path__))
    found = (vars(module).get("MODEL") for module in modules)
    models = {one.name: one for one in found if isinstance(one, ObjectModel)}
    return dict(sorted(models.items()))
