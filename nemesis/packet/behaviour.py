"""What happens to one packet on a bad network: pure decisions from a seeded source."""

from __future__ import annotations

import math
from random import Random
from typing import Any, Final

import msgspec

_FIRST_PAYLOAD_BYTE: Final = 40  # behind the headers of IPv4 and TCP without options


class Behaviour(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a network is bad. Times in milliseconds; the others are probabilities of a packet.

    `delay_ms` plus or minus up to `jitter_ms` (uniform, which reorders by itself); `reorder` ones are not delayed at
    all and overtake; `corrupt` ones have one bit flipped, which the receiver's checksum finds. With `ramp_s` the delay
    grows from nothing to what it is within so many seconds.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    ramp_s: float = 0.0

    @property
    def needs_payload(self) -> bool:
        """Whether packets must be copied out of the kernel, or only held in it."""
        return self.duplicate > 0 or self.corrupt > 0

    @property
    def longest_s(self) -> float:
        """The longest delay of a packet."""
        return (self.delay_ms + self.jitter_ms) / 1e3

    def in_words(self) -> str:
        """Return the behaviour in words."""
        parts = []
        if self.delay_ms:
            grows = f", grown to within {self.ramp_s:g} s" if self.ramp_s else ""
            parts.append(f"delay {self.delay_ms:g} ± {self.jitter_ms:g} ms{grows}")
        for name in ("loss", "duplicate", "reorder", "corrupt"):
            share = getattr(self, name)
            if share:
                parts.append(f"{name} {share:.1%}")
        return ", ".join(parts) or "nothing"


class Fate(msgspec.Struct, frozen=True):
    """What becomes of one packet."""

    lost: bool = False
    delay_s: float = 0.0
    duplicated: bool = False
    corrupted: bool = False


def decide(behaviour: Behaviour, rng: Random, age_s: float = math.inf) -> Fate:
    """Return the fate of the next packet, `age_s` after the network became bad."""
    if behaviour.loss and rng.random() < behaviour.loss:
        return Fate(lost=True)
    overtakes = bool(behaviour.reorder) and rng.random() < behaviour.reorder
    spread = rng.uniform(-behaviour.jitter_ms, behaviour.jitter_ms) if behaviour.jitter_ms else 0.0
    grown = min(1.0, age_s / behaviour.ramp_s) if behaviour.ramp_s else 1.0
    return Fate(
        delay_s=0.0 if overtakes else grown * max(0.0, behaviour.delay_ms + spread) / 1e3,
        duplicated=bool(behaviour.duplicate) and rng.random() < behaviour.duplicate,
        corrupted=bool(behaviour.corrupt) and rng.random() < behaviour.corrupt,
    )


def flip_bit(packet: bytes, rng: Random) -> bytes:
    """Return the packet with one bit flipped, behind its headers where it has anything there."""
    damaged = bytearray(packet)
    first = _FIRST_PAYLOAD_BYTE if len(packet) > _FIRST_PAYLOAD_BYTE else len(packet) - 1
    damaged[rng.randrange(first, len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def of(detail: Any) -> Behaviour:
    """Return the behaviour that a plan holds."""
    return msgspec.convert(detail, Behaviour)
