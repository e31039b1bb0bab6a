"""The harness itself stood still (a suspended machine, SIGSTOP, a starved loop): that is not the service's fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from quorate.harness.core.results import Gate
from quorate.harness.core.verdict import Result, Verdict
from quorate.harness.core.workload import Workload
from quorate.harness.run.conducted import Conducted

# Clients renew leases and sessions three times within their length, which is ten seconds or more by default.
_KEPT_ALIVE_MS: Final = 2_000.0
# So long no client asked anything, and faults came late.
_AWAKE_MS: Final = 5_000.0


def longest_ms(conducted: Conducted) -> float:
    """How long the event loop stood still at most, in ms, while clients were asking."""
    return max((drive.lag_ms_max for drive in (conducted.main, conducted.final) if drive), default=0.0)


def excused(results: Sequence[Result], workload: Workload, conducted: Conducted) -> list[Result]:
    """Turn `invalid` into `unknown` where our own clients may have let go what the guarantee says they held."""
    stood_ms = longest_ms(conducted)
    if not workload.kept_alive or stood_ms < _KEPT_ALIVE_MS:
        return list(results)
    return [_excused(result, stood_ms) if result.verdict is Verdict.INVALID else result for result in results]


def _excused(result: Result, stood_ms: float) -> Result:
    seen = result.anomalies[0].sentence if result.anomalies else result.reason
    reason = (
        f"the harness itself stood still for {stood_ms / 1e3:.1f} s, so that its clients could not keep alive what "
        f"they held; what was seen is not held against the service: {seen}"
    )
    return msgspec.structs.replace(result, verdict=Verdict.UNKNOWN, reason=reason, anomalies=())


def gate(conducted: Conducted) -> Gate:
    """Whether the harness was awake throughout."""
    stood_ms = longest_ms(conducted)
    text = f"the harness itself stood still for {stood_ms / 1e3:.1f} s at most, {_AWAKE_MS / 1e3:g} s are allowed"
    return Gate("awake", stood_ms <= _AWAKE_MS, text)
