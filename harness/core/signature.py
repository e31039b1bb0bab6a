"""What makes two anomalies "the same": the guarantee, the kind of anomaly, and the kind of cause where one is known.

Keys, times, nodes and the sentence differ from run to run; exit codes are the same for all anomalies. A server that
ended by itself has a signature too (`servers-stay-up`), distinguished by what it said when it crashed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from quorate.harness.core.evidence import Crash
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.results import Results
from quorate.harness.core.verdict import Anomaly, Verdict

STAYING: Final = "servers-stay-up"
CRASHED: Final = "server-crashed"
# An anomaly that no checker could make small in its time: it may be any kind that the guarantee has.
VAGUE: Final = frozenset({"no-order"})
_CAUSE_WORDS: Final = 6
_FORM: Final = re.compile(r"^(?P<guarantee>[^:@\s]+):(?P<kind>[^:@\s]+)(?:@(?P<cause>[^:\s]+))?$")
# In order: an escaped or quoted text, a number (hexadecimal too), what is not a letter.
_VARYING: Final = re.compile(r'\\?"[^"]*\\?"|0x[0-9a-fA-F]+|\b[0-9a-f]{8,}\b|\d+')
_MESSAGE: Final = re.compile(r'"msg":\s?"((?:[^"\\]|\\.)*)"')
_CRASH: Final = re.compile(
    r"panic|fatal|signal SIG|corrupt|inconsisten|digest|OutOfMemory|unexpected fault", re.IGNORECASE
)


class Signature(msgspec.Struct, frozen=True, order=True):
    """What is the same each time an anomaly comes: `linearizable`, `stale-read`, and "" where no cause is given.

    As text `linearizable:stale-read`, with a cause `servers-stay-up:server-crashed@tocommit-is-out-of-range`; of
    several workloads side by side `register/linearizable:stale-read`. `parse` reads the text again.
    """

    guarantee: str
    kind: str
    cause: str = ""

    def __str__(self) -> str:
        """Return the stable text, for options, TOML files and reports."""
        return f"{self.guarantee}:{self.kind}" + (f"@{self.cause}" if self.cause else "")

    def is_like(self, other: Signature) -> bool:
        """Whether both may be the same anomaly: equal, or one of them is known only as a contradiction."""
        if (self.guarantee, self.cause) != (other.guarantee, other.cause):
            return False
        return self.kind == other.kind or bool({self.kind, other.kind} & VAGUE)

    def matches(self, pattern: str) -> bool:
        """Whether a person means it by `pattern`: the whole text, it without the cause, the guarantee or the kind."""
        whole = str(self)
        return pattern in {whole, whole.partition("@")[0], self.guarantee, self.kind}


def parse(text: str) -> Signature:
    """Return the signature that a text is; raise `UsageError` with the form where it is none."""
    found = _FORM.match(text.strip())
    if found is None:
        raise UsageError(f'"{text}" is not a signature: write GUARANTEE:KIND, as in linearizable:stale-read')
    return Signature(found["guarantee"], found["kind"], found["cause"] or "")


def signatures(results: Results) -> frozenset[Signature]:
    """Return the signatures of what a run violated; none where nothing was."""
    found: set[Signature] = set()
    for result in results.guarantees:
        if result.verdict is not Verdict.INVALID:
            continue
        guarantee = _guarantee(result.guarantee)
        # Checkers show some twenty anomalies; the kinds of all of them stand in the statistics.
        counted = result.stats.get("violations")  # by kind, or no more than a number
        kinds = {_slug(kind) for kind in counted} if isinstance(counted, Mapping | Sequence) else set()
        told = {_of(guarantee, anomaly) for anomaly in result.anomalies}
        found |= told | {Signature(guarantee, kind) for kind in kinds - {one.kind for one in told}}
        if not result.anomalies and not kinds:
            found.add(Signature(guarantee, "violated"))
    if results.deaths and not any(one.guarantee == STAYING for one in found):
        found.add(Signature(STAYING, CRASHED, "ended-by-itself"))
    return frozenset(found)


def alike(found: Iterable[Signature], wanted: Iterable[Signature]) -> bool:
    """Whether any of the anomalies found is one of those wanted."""
    sought = tuple(wanted)
    return any(one.is_like(other) for one in found for other in sought)


def _of(guarantee: str, anomaly: Anomaly) -> Signature:
    kind = _slug(anomaly.name or "violated")
    return Signature(guarantee, kind, _cause(anomaly) if kind == CRASHED else "")


def _guarantee(name: str) -> str:
    """Of several workloads side by side a guarantee is named `register: linearizable`."""
    return "/".join(_slug(part) for part in name.split(": "))


def _cause(crash: Anomaly) -> str:
    """What the server said when it crashed, without what differs each time; else how it was seen to be gone."""
    for line in crash.detail.lines if isinstance(crash.detail, Crash) else ():
        if not _CRASH.search(line):
            continue
        message = _MESSAGE.search(line)
        said = _slug(_VARYING.sub(" ", message[1] if message else line))
        words = [word for word in said.split("-") if word not in {"panic", "fatal", "error"}]
        if words:
            return "-".join(words[:_CAUSE_WORDS])
    return "did-not-start-again" if "did not start again" in crash.sentence else "ended-by-itself"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "violated"
