"""A stored run for analysts: history, faults and verdicts as DataFrames."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from quorate.harness.core import store
from quorate.harness.history import History


class Loaded:
    """A run read from its folder; every part is read when it is first asked for.

    `test` and `results` are the JSON files as dictionaries; `operations` has one row per client operation, `events`
    one per event, `faults` one per injection with its proof, `verdicts` one per guarantee, `anomalies` one per anomaly.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"<run {self.folder.parent.name}/{self.folder.name}>"

    @cached_property
    def test(self) -> dict[str, Any]:
        """The options, versions and seed."""
        return store.read_json(self.folder, store.TEST)

    @cached_property
    def results(self) -> dict[str, Any]:
        """Verdict, statistics, gates."""
        return store.read_json(self.folder, store.RESULTS)

    @cached_property
    def history(self) -> History:
        """The history itself, for checkers."""
        return History.read(self.folder)

    @cached_property
    def operations(self) -> pd.DataFrame:
        """One row per client operation, in order of invocation."""
        return self.history.frame()

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row per event, the nemesis included."""
        return self.history.event_frame()

    @cached_property
    def faults(self) -> pd.DataFrame:
        """One row per injection: when, on whom, whether it was proved, what it cost."""
        frame = pd.json_normalize(self.results.get("faults", []), max_level=0)
        for proof in ("proof", "healed_proof"):
            if proof in frame:
                frame[f"{proof}_text"] = [
                    value.get("text") if isinstance(value, dict) else None for value in frame[proof]
                ]
        return frame

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """One row per guarantee."""
        columns = ["guarantee", "verdict", "engine", "model", "reason", "operations", "time_s", "memory_mb"]
        return pd.DataFrame(self.results.get("guarantees", []), columns=columns)

    @cached_property
    def anomalies(self) -> pd.DataFrame:
        """One row per anomaly, with the guarantee that it breaks."""
        rows = [
            {"guarantee": guarantee["guarantee"], **anomaly}
            for guarantee in self.results.get("guarantees", [])
            for anomaly in guarantee.get("anomalies", [])
        ]
        return pd.DataFrame(rows, columns=["guarantee", "name", "sentence", "key", "events", "culprit"])

    def to_parquet(self, path: str | Path) -> Path:
        """Write the operations as Parquet; needs the `arrow` extra, and says so where it is missing."""
        target = Path(path)
        self.history.write(target, format="parquet")
        return target


def load(run: str | Path) -> Loaded:
    """Open a run's folder (or a file in it, or `store/latest`); raise `Broken` where there is none."""
    return Loaded(store.resolve(run))
