"""What `quorate check` was asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict


class CheckOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command, by the names that click gives them."""

    model: str | None
    expect: str | None
    initial: str | None
    settings: tuple[str, ...]
    engine: str
    check_time: float
    check_memory: int
    keys: str | None
    verify: bool
    form: str | None
    witness: Path | None
    counterexample: Path | None
    html: Path | None
    resolve_unknown: bool
    save: bool
    as_json: bool

    @property
    def limits(self) -> Limits:
        """Time and memory for the checkers."""
        return Limits(time_s=self.check_time, memory_bytes=self.check_memory)


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What `check --json` prints for a file (docs/reference/formats.md); what was not asked for is left out.

    `lanes` are for the terminal: lines of a drawing of the first anomaly.
    """

    verdict: Verdict
    model: str | None
    engine: str
    operations: int
    reason: str
    confirmed_by: str | None
    time_s: float
    cpu_s: float
    memory_mb: float
    witness: str | None = None
    counterexample: str | None = None
    parts: Mapping[str, str]
    anomalies: Sequence[Anomaly]
    notes: Sequence[str] = ()
    candidates: Sequence[str] | UnsetType = UNSET
    settled: Any = UNSET
    verified: bool | UnsetType = UNSET
    html: str | UnsetType = UNSET
    lanes: Sequence[str] | UnsetType = UNSET

    @classmethod
    def of(cls, result: Result, notes: Sequence[str]) -> Checked:
        """Start from a checker's result."""
        return cls(
            verdict=result.verdict,
            model=result.model,
            engine=result.engine,
            operations=result.operations,
            reason=result.reason,
            confirmed_by=result.confirmed_by,
            time_s=result.time_s,
            cpu_s=result.cpu_s,
            memory_mb=result.memory_mb,
            parts=dict(result.parts),
            anomalies=result.anomalies,
            notes=notes,
        )
