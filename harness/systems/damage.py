"""Damage on a stopped server's disk: which files and where in them, as a system's attribute `damage` knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

import msgspec

from harness.cluster.node import Node
from harness.systems.offers import Offer


class Wound(msgspec.Struct, frozen=True):
    """Bytes of one file that are to be replaced: `new` at `offset`; or the file is to be cut off there (`new` None)."""

    path: str
    offset: int
    new: bytes | None
    about: str


@runtime_checkable
class Damage(Protocol):
    """Kinds of damage, and finding the place for one."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """Every kind with a line on it; those that a run with mixed damage draws from come first."""
        ...

    @property
    def usual(self) -> tuple[str, ...]:
        """The kinds that are drawn when none is named: those that the service promises to notice, or to survive."""
        ...

    async def find(self, node: Node, kind: str, at: float, size: int) -> Wound:
        """Return what to do to the files of a dead server; raise `Broken` where it has no such file.

        `at` (0 to 1) says where within what is used of the file, `size` how many bytes.
        """
        ...


DAMAGE: Final[Offer[Damage]] = Offer(
    "damage", Damage, "of whose disks it is not known here where to hurt them"
)
