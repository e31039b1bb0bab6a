"""What a hunt has found, by signature: the first run that showed it, its command, and how many did."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from quorate.harness.core.results import Results
from quorate.harness.core.signature import Signature, signatures
from quorate.harness.core.verdict import Verdict
from quorate.harness.experiments.trial import Trial
from quorate.harness.hunt.waivers import Waiver


class Shown(msgspec.Struct, frozen=True):
    """One run of a hunt that has ended: its number, command, outcome, and what it violated.

    `new` is how many states it was the first to reach; `at_s` when it ended, since the hunt began.
    """

    number: int
    command: str
    name: str
    outcome: str
    exit_code: int
    said: str
    signatures: tuple[str, ...]
    folder: str
    seconds: float
    at_s: float
    new: int
    seed: int
    workload: str
    faults: str
    release: str = ""


class Finding(msgspec.Struct):
    """An anomaly. `together` are the signatures that came with it in its first run: mostly the same cause.

    `documented` says what the service documents of the reads that were asked for; the anomaly counts all the same.
    """

    signature: str
    command: str
    folder: str
    sentence: str
    first_s: float
    first_run: int
    runs: int = 1
    together: tuple[str, ...] = ()
    ignored: str = ""
    link: str = ""
    documented: str = ""


class Findings:
    """Collects them in the order in which they came."""

    def __init__(self, system: str, waivers: Sequence[Waiver]) -> None:
        self._system = system
        self._waivers = tuple(waivers)
        self._found: dict[Signature, Finding] = {}

    def add(self, shown: Shown, trial: Trial) -> list[Finding]:
        """Take note of a run's anomalies; return those that no run had shown before."""
        new = []
        for signature in sorted(trial.signatures):
            known = self._found.get(signature)
            if known is not None:
                known.runs += 1
                continue
            others = tuple(str(one) for one in sorted(trial.signatures) if one != signature)
            waiver = self.waiver(signature)
            finding = Finding(
                signature=str(signature),
                command=shown.command,
                folder=shown.folder,
                sentence=sentence_of(trial.results, signature) or trial.said,
                first_s=shown.at_s,
                first_run=shown.number,
                together=others,
                ignored="" if waiver is None else waiver.reason or "waived",
                link="" if waiver is None else waiver.link,
                documented=documented(trial.results, signature),
            )
            self._found[signature] = finding
            new.append(finding)
        return new

    def waiver(self, signature: Signature) -> Waiver | None:
        """Return what says that this anomaly does not count, or None."""
        return next((one for one in self._waivers if one.covers(signature, self._system)), None)

    @property
    def all(self) -> list[Finding]:
        """All of them, in the order in which they came."""
        return list(self._found.values())

    @property
    def counting(self) -> list[Finding]:
        """Those that were not waived."""
        return [one for one in self._found.values() if not one.ignored]

    @staticmethod
    def knows(workloads: Sequence[str], shown: Sequence[Shown]) -> bool:
        """Whether a run with one of these workloads has shown an anomaly already."""
        return any(one.signatures and set(workloads) & set(one.workload.split("+")) for one in shown)


def without_workload(signature: Signature) -> Signature:
    """Return `linearizable:stale-read` for `register/linearizable:stale-read`."""
    return msgspec.structs.replace(signature, guarantee=signature.guarantee.rpartition("/")[2])


def documented(results: Results, signature: Signature) -> str:
    """Return what the service documents of such an anomaly in this mode of reading; empty where it does not."""
    weak = results.weak_reads
    return "" if weak is None else weak.documents(signature.kind.replace("-", " "))


def sentence_of(results: Results, signature: Signature) -> str:
    """Return the sentence of the first anomaly of this signature; empty where results show none."""
    for result in results.guarantees:
        for anomaly in result.anomalies:
            one = msgspec.structs.replace(result, verdict=Verdict.INVALID, anomalies=[anomaly], stats={})
            if signature in map(without_workload, signatures(Results(guarantees=[one]))):
                return anomaly.sentence
    return ""
