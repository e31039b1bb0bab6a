"""The backups that a run took, from its folder and the history, for the guarantee `backups-are-prefixes`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from quorate.checkers.backups import Taken
from quorate.checkers.backups import judge as judge_taken
from quorate.harness.core import backup
from quorate.harness.core.injection import injections
from quorate.harness.core.verdict import Result
from quorate.harness.history import History

FAULT: Final = "backup"
_NS: Final = 1e9


def judge(folder: Path, history: History, faults_asked: Sequence[str], time_s: float) -> Result | None:
    """Judge the backups of a run; None where it was to take none."""
    if FAULT not in faults_asked:
        return None
    return judge_taken(history.operations(), taken(folder, history), time_s)


def taken(folder: Path, history: History) -> list[Taken]:
    """Return the backups whose injection came to its end, with bounds of their times on the history's clock.

    The request came no earlier than so long after the injection's invocation, the file no later than so long before its
    completion: what is between the history and the fault only widens that.
    """
    kept = backup.kept(folder)
    found = []
    for one in injections(history.nemesis()):
        names = () if one.fault != FAULT or one.proof is None else one.proof.data.get("backups", ())
        for name in names if isinstance(names, Sequence) else ():
            stored = kept.get(str(name))
            if stored is not None:
                asked_ns = one.began_ns + stored.asked_s * _NS
                found.append(Taken(str(name), stored, asked_ns, one.injected_ns - stored.left_s * _NS))
    return found
