"""Reports of a history that no run of quorate made: a file that `quorate check` judged, a test's own recording.

The history and its verdict are laid out as a run's folder, so that every report of runs can read them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from quorate.harness.core import counterexample, store
from quorate.harness.core.exits import OF_VERDICT
from quorate.harness.core.results import Results
from quorate.harness.core.verdict import Result
from quorate.harness.history import History
from quorate.reports import evidence, stored, terminal_anomaly, words

_SHOWN: Final = 16


def keep(folder: Path, history: History, result: Result, name: str) -> Path:
    """Write history, verdict and counterexample into a folder (made where it is not there), as a run has them."""
    folder.mkdir(parents=True, exist_ok=True)
    history.write(folder / store.HISTORY)
    store.write_json(folder, store.TEST, {"name": name, "system": "a recorded history", "options": {}})
    sentence = result.anomalies[0].sentence if result.anomalies else result.reason
    reason = sentence or f"{result.guarantee} held in everything that was recorded"
    results = Results(result.verdict, OF_VERDICT[result.verdict], reason, guarantees=[result])
    store.write_json(folder, store.RESULTS, results.encoded())
    if result.anomalies and result.anomalies[0].events:
        (folder / store.COUNTEREXAMPLE).write_bytes(counterexample.encoded(history, result.anomalies[0]))
    return folder


def page(history: History, result: Result, target: Path, name: str) -> Path:
    """Write the HTML report of a history and its verdict to `target`, one file that needs no network."""
    from quorate.reports.html import write  # noqa: PLC0415 - templates are loaded only where asked for

    with tempfile.TemporaryDirectory(prefix="quorate-page-") as folder:
        return write(keep(Path(folder) / words.cut(name, 80), history, result, name), target)


def lanes(history: History, result: Result, width: int) -> Iterator[str]:
    """Draw the operations of the first anomaly as lanes of text, one for each process, at most `width` wide."""
    anomaly = result.anomalies[0]
    # The anomaly's own events are few, and those of the history may be millions: only they are decoded.
    own = History.of(history.event(history.position(index)) for index in sorted(set(anomaly.events)))
    few = History.of(counterexample.events(own, anomaly))
    with tempfile.TemporaryDirectory(prefix="quorate-lanes-") as folder:
        run = stored.read(keep(Path(folder) / "run", few, result, "run"))
        rows, _ = evidence.drawn(anomaly, run.operations, _SHOWN)
    if rows:
        yield from (line for line, _ in terminal_anomaly.lanes(rows, width))
