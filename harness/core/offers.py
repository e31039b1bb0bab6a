"""What only some systems offer, as an attribute of theirs: found by faults, or its lack told in the system's name."""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import System
from quorate.harness.core.test import UsageError

Part = TypeVar("Part")


class Offer(Generic[Part]):
    """An attribute, the runtime-checkable protocol of what stands there, and what is said of systems without it.

    `lack` is an adjective clause of the system: "whose members cannot be changed here".
    """

    def __init__(self, attribute: str, protocol: type, lack: str) -> None:
        self._attribute = attribute
        self._protocol = protocol
        self._lack = lack

    def of(self, system: System) -> Part | None:
        """Return what the system offers, or None."""
        found = getattr(system, self._attribute, None)
        return cast("Part", found) if isinstance(found, self._protocol) else None

    def asked(self, system: System, fault: str) -> Part:
        """Return it before a run; raise `UsageError`, in the fault's name, where the system has none."""
        found = self.of(system)
        if found is None:
            raise UsageError(f"{fault}: {system.name} is a system {self._lack}")
        return found

    def found(self, system: System) -> Part:
        """Return it within a run; raise `Broken` where the system has none."""
        found = self.of(system)
        if found is None:
            raise Broken(f"no-{self._attribute}", f"{system.name} is a system {self._lack}")
        return found
