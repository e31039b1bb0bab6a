"""Confirm that a read of a counter has a total that it cannot have, whatever else its session saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from quorate.checkers.second_objects import Op, Operations, plain
from quorate.checkers.sessions_record import Certificate

# Whose earlier reads and whose own additions a level keeps visible. The others keep both.
_READS_ONLY: Final = "monotonic-reads"
_OWN_ONLY: Final = "read-your-writes"


def refute_sum(history: Operations, certificate: Certificate, initial: int) -> str | None:
    """Return why the certificate proves nothing, or None where the total is impossible at its level."""
    read = history.by_index(certificate.read)
    if read is None or read.f != "read":
        return "it names no read of a counter"
    adds = [op for op in history.ops.values() if op.f == "add" and op.key == read.key]
    value = plain(read.told)
    grows = all(plain(op.asked) >= 0 for op in adds)
    match certificate.sum:
        case "sum-step":
            step = math.gcd(*(plain(op.asked) for op in adds))
            fits = value == initial if step == 0 else (value - initial) % step == 0
            return "the total is a sum of additions" if fits else None
        case "sum-high" if grows:
            can = [op for op in adds if op.open or op.process != read.process or op.at < read.at]
            most = initial + sum(plain(op.asked) for op in can)
            return "the total is not too high" if value <= most else None
        case "sum-low" if grows:
            return _too_low(history, certificate, read, adds, initial)
        case _:
            return "nothing of that kind holds of this counter"


def _too_low(
    history: Operations, certificate: Certificate, read: Op, adds: Sequence[Op], initial: int
) -> str | None:
    """Lower than an earlier read of the session with what the session itself added since."""
    level, least, since = certificate.level, initial, -1
    if certificate.after is not None:
        earlier = history.by_index(certificate.after)
        same = earlier is not None and (earlier.process, earlier.key) == (read.process, read.key)
        if earlier is None or not same or earlier.f != "read" or earlier.at > read.at or level == _OWN_ONLY:
            return "the earlier read says nothing of this one"
        least, since = plain(earlier.told), earlier.at
    known = {op.at: op for op in adds if not op.open and op.process == read.process}
    for index in set(certificate.between):
        op = history.by_index(index)
        if op is None or op.at not in known or not since < op.at < read.at or level == _READS_ONLY:
            return f"event {index} is not an addition that the session must see"
        least += plain(op.asked)
    return "the total is not too low" if plain(read.told) >= least else None
