"""The sequential objects that quorate knows: `MODELS` by name, found in the modules of this folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Final

from quorate.checkers.models.model import Model


def _records() -> Iterator[Model]:
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, Model):
                yield value


MODELS: Final[Mapping[str, Model]] = {model.name: model for model in _records()}
