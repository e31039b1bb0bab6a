"""What is known of a run's live half besides its history."""

from __future__ import annotations

import msgspec

from quorate.harness.core.results import Death, Leader
from quorate.harness.core.system import Planted
from quorate.harness.run.runner import DriveStats


class Conducted(msgspec.Struct):
    """What is known of the live half besides the history; filled in as it goes, so that a failure keeps the rest."""

    release: str = ""
    run_id: str = ""
    history_started: str | None = None
    main: DriveStats | None = None
    final: DriveStats | None = None
    main_end_s: float | None = None
    recovered: bool = False
    recovery_s: float | None = None
    leaders: list[Leader] = []
    deaths: list[Death] = []
    planted: Planted | None = None
    latency_due_ms: dict[str, dict[str, float]] = {}
    versions: dict[str, str] = {}
    # How far the run came; what is stored of a killed run says "prepare" or "load".
    reached: str = "prepare"
    interrupted: bool = False
    stopped_on_anomaly: bool = False
    error: str | None = None
    timings_s: dict[str, float] = {}
