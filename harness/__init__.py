"""quorate's core and what drives it.

from quorate import Test, run

done = run(Test(system="simulated", faults=("partition",), time=20.0, seed=7))
print(done.verdict, done.folder)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quorate.harness.core.test import Test

if TYPE_CHECKING:
    from quorate.harness.loading import load
    from quorate.harness.run import Run, run

__all__ = ["Run", "Test", "load", "run"]

_LATE = {"run": "quorate.harness.run", "Run": "quorate.harness.run", "load": "quorate.harness.loading"}


def __getattr__(name: str) -> Any:
    """Import what stands above the core only when it is asked for, so that the core stays below its plugs."""
    if name in _LATE:
        import importlib  # noqa: PLC0415 - see above

        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(name)
