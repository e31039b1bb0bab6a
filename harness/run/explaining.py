"""After an anomaly: what the members' own logs say of it, kept beside the results for every report."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from quorate.harness.core import story
from quorate.harness.core.results import Results
from quorate.harness.core.story import Why
from quorate.harness.history import History
from quorate.harness.memberlogs import reading
from quorate.harness.memberlogs.story import tell

log = logging.getLogger(__name__)

# Decoding takes about five seconds for a megabyte: what is larger is left to `quorate why`.
_BYTES_MAX: Final = 1 << 20


def explain(folder: Path, results: Results) -> Why:
    """Read the logs that the run kept, and explain each of its anomalies."""
    logs = reading.read(folder)
    return tell(History.read(folder), results.guarantees, logs)


def keep(folder: Path, results: Results) -> None:
    """Explain the anomalies of a run in its folder; what fails is logged, and never changes a verdict."""
    if not any(result.anomalies for result in results.guarantees):
        return
    try:
        if 0 < reading.size(folder) <= _BYTES_MAX:
            story.keep(folder, explain(folder, results))
    except Exception:
        log.exception("the members' logs could not be read")
