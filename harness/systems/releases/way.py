"""A way of getting a server: build, fetch or unpack. One small module each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

Progress = Callable[[str], None]


class Way(Protocol):
    """One way to get one system's servers."""

    name: str

    def unable(self) -> str | None:
        """Why this machine cannot go this way, or None where it can."""
        ...

    def releases(self) -> list[str]:
        """Releases known to come this way, newest first; `takes` may accept more."""
        ...

    def takes(self, release: str) -> bool:
        """Whether this way can have the release."""
        ...

    def obtain(self, release: str, folder: Path, progress: Progress) -> str:
        """Put the server into the empty folder and return how in words; raises `Broken`."""
        ...


@runtime_checkable
class Publishes(Protocol):
    """A way whose source can be asked what there is."""

    def published(self) -> Sequence[str]:
        """Return all releases there, in a second or so; none where the source does not answer."""
        ...

    def is_published(self, release: str) -> bool | None:
        """Whether there is this release; None where the source does not answer."""
        ...


def numbers(release: str) -> tuple[int, ...]:
    """`3.5.16` as numbers that compare; a suffix such as -alpha.0 is left out."""
    parts = release.partition("-")[0].partition("+")[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())
