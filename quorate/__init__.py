"""quorate: consistency testing for coordination services.

>>> from quorate import Test, run  # one run against a cluster; the simulated system needs none
>>> import quorate
>>> quorate.check([], model="register").verdict.value  # judge a recorded history
'unknown'

The parts are imported below this name: `quorate.harness`, `quorate.workloads`, `quorate.nemesis`, `quorate.checkers`,
`quorate.reports`; `quorate.testing` is for tests of a user's service. In a source tree those folders stand at the
top, and this package links to them (docs/decisions/layout.md).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from quorate.checkers import check
    from quorate.harness.core.test import Test
    from quorate.harness.history import Event, History
    from quorate.harness.loading import load
    from quorate.harness.run import Run, run

    __version__: str

__all__ = ["Event", "History", "Run", "Test", "__version__", "check", "load", "run"]

# Where each public name lives. Imported on first use: `import quorate` costs next to nothing, and the core never
# waits for what stands above it.
_HOMES: Final = {
    "Event": "quorate.harness.history",
    "History": "quorate.harness.history",
    "Run": "quorate.harness.run",
    "Test": "quorate.harness.core.test",
    "check": "quorate.checkers",
    "load": "quorate.harness.loading",
    "run": "quorate.harness.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives; `__version__` is the installed one."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - costs 30 ms, and few ask

        return version("quorate")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Names for completion, without importing what they stand for."""
    return sorted(__all__)
