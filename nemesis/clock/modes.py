"""Kinds of skew: how large, decided from a seeded source, and how one sees that it is in force.

Sizes are drawn on a logarithmic scale, after Jepsen's (jepsen.nemesis.time): a few milliseconds are as likely as
minutes, for different things break at either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

import msgspec

from quorate.nemesis.clock.tool import Reading, Seen

MS: Final = 1_000_000
S: Final = 1_000_000_000
# Between two clock readings of this host and one of the process lie microseconds; the rest is for a busy machine.
EXACT_NS: Final = 5 * MS
_RATE_ERROR: Final = 0.02
_JUMP_MS: Final = (11.0, 288_000.0)
_STROBE_MS: Final = (4.0, 262_000.0)
_PERIOD_MS: Final = (1.0, 1000.0)
_STEP_MS: Final = (1000.0, 60_000.0)
_RATES: Final = (1.1, 5.0)

Decide = Callable[[Random, int | None], dict[str, int | float]]


class Mode(msgspec.Struct, frozen=True):
    """One kind of skew. `decide` draws its parameters, with the size in ns where the user gave one.

    `monotonic` ones move the clock that timers use: Go waits for relative times and stays coherent; the JVM waits for
    absolute ones, which the kernel meets by the true clock, so every sleep would be wrong.
    """

    decide: Decide
    about: str
    monotonic: bool = False
    forever: bool = False  # readings must span some time to show it


def _log_uniform(rng: Random, bounds: tuple[float, float]) -> float:
    return math.exp(rng.uniform(math.log(bounds[0]), math.log(bounds[1])))


def _signed(rng: Random, bounds_ms: tuple[float, float], size_ns: int | None) -> int:
    drawn = round(_log_uniform(rng, bounds_ms) * MS) * rng.choice((-1, 1))
    return drawn if size_ns is None else size_ns


def _jump(rng: Random, size_ns: int | None) -> dict[str, int | float]:
    return {"real_offset_ns": _signed(rng, _JUMP_MS, size_ns)}


def _strobe(rng: Random, size_ns: int | None) -> dict[str, int | float]:
    period = round(_log_uniform(rng, _PERIOD_MS) * MS)
    return {"real_strobe_ns": _signed(rng, _STROBE_MS, size_ns), "real_period_ns": period}


def _rate(rng: Random) -> float:
    rate = _log_uniform(rng, _RATES)
    return round(rate if rng.random() < 0.5 else max(1 / rate, 0.2), 4)  # noqa: PLR2004 - as often slow as fast


def _drift(rng: Random, size_ns: int | None) -> dict[str, int | float]:
    del size_ns
    return {"real_rate": _rate(rng)}


def _both_drift(rng: Random, size_ns: int | None) -> dict[str, int | float]:
    del size_ns
    rate = _rate(rng)
    return {"real_rate": rate, "mono_rate": rate}


def _step(rng: Random, size_ns: int | None) -> dict[str, int | float]:
    drawn = round(_log_uniform(rng, _STEP_MS) * MS)
    return {"mono_offset_ns": drawn if size_ns is None else abs(size_ns)}


MODES: Final[Mapping[str, Mode]] = {
    "jump": Mode(_jump, "the wall clock jumps and stays off"),
    "drift": Mode(_drift, "the wall clock runs too fast or too slow", forever=True),
    "strobe": Mode(
        _strobe, "the wall clock jumps there and back again, up to 1000 times a second", forever=True
    ),
    "both-drift": Mode(
        _both_drift, "wall and monotonic clock run at another rate: a bad crystal, a slow VM", True, True
    ),
    "step": Mode(_step, "the monotonic clock jumps forward: a VM that was stopped", monotonic=True),
}
# What `any` draws from: a step of the monotonic clock alone is asked for by name.
VARIED: Final = ("jump", "drift", "strobe", "both-drift")


def options(skew: Mapping[str, Any], ahead_ns: int = 0) -> list[str]:
    """Return a decided skew as the helper's options; a monotonic clock that is `ahead_ns` already steps from there."""
    words = []
    for family in ("real", "mono"):
        if f"{family}_rate" in skew:
            words.append(f"--{family}-rate={float(skew[f'{family}_rate'])!r}")
        if f"{family}_offset_ns" in skew:
            start = ahead_ns if family == "mono" else 0
            words.append(f"--{family}-offset={start + int(skew[f'{family}_offset_ns'])}")
        if f"{family}_strobe_ns" in skew:
            period, strobe = int(skew[f"{family}_period_ns"]), int(skew[f"{family}_strobe_ns"])
            words.append(f"--{family}-strobe={period},{strobe}")
    return words


def in_words(skew: Mapping[str, Any]) -> str:
    """Return a decided skew in words."""
    parts = []
    for family, clock in (("real", "wall"), ("mono", "monotonic")):
        if f"{family}_rate" in skew:
            parts.append(f"{clock} clock at rate {skew[f'{family}_rate']:g}")
        if f"{family}_offset_ns" in skew:
            parts.append(f"{clock} clock {skew[f'{family}_offset_ns'] / S:+.3f} s")
        if f"{family}_strobe_ns" in skew:
            every = skew[f"{family}_period_ns"] / MS
            parts.append(f"{clock} clock {skew[f'{family}_strobe_ns'] / S:+.3f} s every other {every:.1f} ms")
    return ", ".join(parts) or "true"


def mismatch(skew: Mapping[str, Any], readings: Sequence[Reading], ahead_ns: int = 0) -> str | None:
    """Return how what the process sees differs from what was decided, or None where it is as decided.

    The readings are in order of time; a drift shows between the first and the last. `ahead_ns` is what an earlier
    skew left the monotonic clock ahead.
    """
    for family in ("real", "mono"):
        seen: list[Seen] = [getattr(reading, family) for reading in readings]
        wrong = _family_mismatch(
            seen,
            rate=skew.get(f"{family}_rate"),
            offset=int(skew.get(f"{family}_offset_ns", 0)) + (ahead_ns if family == "mono" else 0),
            strobe=int(skew.get(f"{family}_strobe_ns", 0)),
        )
        if wrong is not None:
            return f"{'wall' if family == 'real' else 'monotonic'} clock {wrong}"
    return None


def _family_mismatch(seen: Sequence[Seen], *, rate: float | None, offset: int, strobe: int) -> str | None:
    if rate is not None:
        span = seen[-1].true_ns - seen[0].true_ns
        measured = (seen[-1].seen_ns - seen[0].seen_ns) / span if span > 0 else float("nan")
        fine = abs(measured - rate) <= _RATE_ERROR * rate + EXACT_NS / max(span, 1)
        return None if fine else f"runs at rate {measured:.4f}, not {rate:g}"
    allowed = (offset, offset + strobe) if strobe else (offset,)
    for one in seen:
        if min(abs(one.off_ns - value) for value in allowed) > EXACT_NS:
            return f"is {one.off_ns / S:+.4f} s off, not {' or '.join(f'{value / S:+.4f}' for value in allowed)} s"
    if strobe and abs(strobe) > 2 * EXACT_NS:
        there = {min(allowed, key=lambda value: abs(one.off_ns - value)) for one in seen}
        if len(there) == 1:
            return f"was {next(iter(there)) / S:+.4f} s off in all {len(seen)} readings and never changed"
    return None
