"""A cut that comes and goes: the link of a loose cable, on which elections begin and never end.

Dead at first, as proved, it is alive for as long, and so on until the healing; how often it came back is reported.
"""

from __future__ import annotations

import asyncio
from typing import Final

from quorate.harness.core.node import Network
from quorate.harness.core.outcome import Broken

_TURNS_MOST: Final = 100_000
Pairs = frozenset[tuple[str, str]]


class Flapping:
    """One fault's; does nothing where no length was asked for."""

    def __init__(self, length_s: float | None) -> None:
        self._length_s = length_s
        self._turning: asyncio.Task[None] | None = None
        self._back = 0
        self._failed = ""

    @property
    def asked(self) -> bool:
        """Whether cuts are to come and go."""
        return self._length_s is not None

    @property
    def told(self) -> tuple[str, bool]:
        """What it came to, and whether it came back at all and never failed."""
        text = f"the cut came and went every {self._length_s or 0:g} s and was away {self._back} times"
        return (f"{text}; then: {self._failed}", False) if self._failed else (text, self._back > 0)

    def begin(self, network: Network, pairs: Pairs) -> None:
        """Let the cut, which is in force, come and go from now on."""
        if self._length_s is not None:
            self._back, self._failed = 0, ""
            self._turning = asyncio.create_task(self._turn(network, pairs, self._length_s), name="flapping")

    async def end(self) -> None:
        """Stop; the cut may be in force or not."""
        turning, self._turning = self._turning, None
        if turning is not None:
            turning.cancel()
            await asyncio.wait(
                {turning}
            )  # whatever it raised is reported, and does not keep the cut from being healed
            if not turning.cancelled() and (error := turning.exception()) is not None:
                self._failed = f"{type(error).__name__}: {error}"

    async def _turn(self, network: Network, pairs: Pairs, length_s: float) -> None:
        try:
            for _ in range(_TURNS_MOST):
                await asyncio.sleep(length_s)
                await network.cut(frozenset())
                self._back += 1
                await asyncio.sleep(length_s)
                await network.cut(pairs)
        except Broken as error:
            self._failed = error.text
