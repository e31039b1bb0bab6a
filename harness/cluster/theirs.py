"""What is never done on a member that is somebody else's: a program run, a file put there."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from quorate.harness.core.node import Completed
from quorate.harness.core.outcome import Broken


class TheirNode(abc.ABC):
    """The refusals of such a member, in one wording."""

    @property
    @abc.abstractmethod
    def called(self) -> str:
        """What errors call it."""

    async def run(
        self, argv: Sequence[str], *, timeout_s: float = 10.0, stdin: bytes = b"", check: bool = True
    ) -> Completed:
        """Not done on what is somebody else's."""
        del timeout_s, stdin, check
        self.refuse(f"run {' '.join(argv[:1])}")

    async def put(self, source: Path, target: str, *, mode: int = 0o644) -> None:
        """Not done on what is somebody else's."""
        del target, mode
        self.refuse(f"put {source}")

    def refuse(self, what: str) -> NoReturn:
        """Raise `Broken` that says whose the member is."""
        raise Broken("not-ours", f"{self.called} is not quorate's: cannot {what} there")
