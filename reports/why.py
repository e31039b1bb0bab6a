"""What the members' own logs say of an anomaly, as the run kept it (why.json), for the reports to show beside it."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.harness.core.story import kept
from quorate.harness.core.verdict import Anomaly, Result
from quorate.reports.stored import StoredRun


def sentences(run: StoredRun, result: Result, anomaly: Anomaly) -> Sequence[str]:
    """The sentences on one anomaly; none where the run kept no such story."""
    why = kept(run.folder)
    story = why.of(result.guarantee, anomaly.sentence) if why is not None else None
    return story.sentences if story is not None else ()
