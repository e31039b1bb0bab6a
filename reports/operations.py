"""The operations of a history as parallel arrays: one entry per invocation by a client, in real-time order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

Ints = npt.NDArray[np.int64]

OK: Final = 0
FAIL: Final = 1
INFO: Final = 2
OUTCOMES: Final = ("ok", "fail", "info")
NEVER: Final = -1

# Reports show the head of a huge value; the journal holds the whole.
VALUE_LENGTH_MAX: Final = 4096
_PROBLEMS_MAX: Final = 3
_CHUNK: Final = 1 << 20
_CODES: Final = {"ok": OK, "fail": FAIL, "info": INFO}


@dataclass(frozen=True, slots=True, eq=False)
class Operations:
    """Columns of equal length. Times in microseconds since the run's start; `end_us` is `NEVER` without completion.

    `f`, `key`, `asked`, `got`, `node` and `error` are positions in the lists of texts beside them; keys and values are
    JSON texts. `asked` is the value of the invocation, `got` that of the completion. `version` is -1 where none was
    reported. `invoked` and `completed` are indexes of events in the history (`completed` -1 where none).
    """

    begin_us: Ints
    end_us: Ints
    process: Ints
    outcome: Ints
    f: Ints
    key: Ints
    asked: Ints
    got: Ints
    node: Ints
    error: Ints
    version: Ints
    invoked: Ints
    completed: Ints
    functions: list[str]
    keys: list[str]
    texts: list[str]
    nodes: list[str]
    errors: list[str]

    def __len__(self) -> int:
        return len(self.begin_us)

    @property
    def took_us(self) -> Ints:
        """Latency in microseconds, `NEVER` where the operation never came back."""
        return np.where(self.end_us == NEVER, NEVER, self.end_us - self.begin_us)

    def at(self, event: int) -> int | None:
        """Return the operation that an event (invocation or completion) belongs to, by the event's index."""
        position = int(np.searchsorted(self.invoked, event))
        if position < len(self) and self.invoked[position] == event:
            return position
        found = np.flatnonzero(self.completed == event)
        return int(found[0]) if len(found) else None

    def statistics(self) -> dict[str, Any]:
        """Count outcomes and latencies, for runs that were never judged; the shape is that of `results.json`."""
        end_s = float(max(self.end_us.max(), self.begin_us.max())) / 1e6 if len(self) else 0.0
        counts = self._counts(np.ones(len(self), dtype=bool))
        return {
            "operations": len(self),
            **{name: counts[name] for name in OUTCOMES},
            "rate_per_s": round(counts["ok"] / end_s, 1) if end_s else None,
            "by_function": {name: self._counts(self.f == code) for code, name in enumerate(self.functions)},
            "by_node": {
                name: self._counts(self.node == code) for code, name in enumerate(self.nodes) if name
            },
        }

    def _counts(self, chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        outcome = self.outcome[chosen]
        took = self.took_us[chosen & (self.outcome == OK)] / 1e3
        quantiles = {}
        if len(took):
            marks = np.percentile(took, [50, 95, 99, 100])
            quantiles = dict(
                zip(("p50", "p95", "p99", "max"), (round(float(x), 3) for x in marks), strict=True)
            )
        counts = {name: int((outcome == code).sum()) for code, name in enumerate(OUTCOMES)}
        return {**counts, "latency_ms": quantiles}


def none() -> Operations:
    """Return no operations at all."""
    return _Builder().build()


class _Line(msgspec.Struct, gc=False):
    index: int
    time: int
    process: int | str
    type: str
    f: str = ""
    key: msgspec.Raw = msgspec.Raw(b"null")
    value: msgspec.Raw = msgspec.Raw(b"null")
    node: str | None = None
    version: int | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")
    index_of_invoke: int | None = None


_COLUMNS: Final = (
    "begin_us", "end_us", "process", "outcome", "f", "key", "asked", "got", "node", "error", "version", "invoked",
    "completed",
)  # fmt: skip


class _Texts:
    """Texts to numbers, in order of first appearance."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}

    def code(self, text: Any) -> int:
        known = self.known
        found = known.get(text)
        if found is None:
            found = known[text] = len(known)
        return found

    def texts(self) -> list[str]:
        return [
            text if isinstance(text, str) else bytes(text).decode("utf-8", "replace") for text in self.known
        ]


class _Builder:
    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.open: dict[int | str, int] = {}
        self.f, self.key, self.value, self.node, self.error = (_Texts() for _ in range(5))
        self.value.code(b"null")
        self.error.code(b"null")
        self.nemesis: list[_Line] = []

    def add(self, line: _Line) -> None:
        process = line.process
        if not isinstance(process, int):
            self.nemesis.append(line)
            return
        if line.type == "invoke":
            self.open[process] = len(self.rows)
            self.rows.append(
                [
                    line.time // 1000, NEVER, process, INFO, self.f.code(line.f), self.key.code(bytes(line.key)),
                    self.value.code(bytes(line.value)[:VALUE_LENGTH_MAX]), 0, self.node.code(line.node or ""),
                    0, -1, line.index, -1,
                ]
            )  # fmt: skip
            return
        position = self.open.pop(process, None)
        if position is None:
            return
        row = self.rows[position]
        row[1] = line.time // 1000
        row[3] = _CODES.get(line.type, INFO)
        row[7] = self.value.code(bytes(line.value)[:VALUE_LENGTH_MAX])
        if line.node:
            row[8] = self.node.code(line.node)
        row[9] = self.error.code(bytes(line.error))
        row[10] = -1 if line.version is None else line.version
        row[12] = line.index

    def build(self) -> Operations:
        table = np.array(self.rows, dtype=np.int64).reshape(-1, len(_COLUMNS))
        return Operations(
            **{name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(_COLUMNS)},
            functions=self.f.texts(),
            keys=self.key.texts(),
            texts=self.value.texts(),
            nodes=self.node.texts(),
            errors=self.error.texts(),
        )


def _lines(path: Path, problems: list[str]) -> Iterator[bytes]:
    """Decompress as far as the file goes."""
    rest = b""
    try:
        with (
            path.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader,
        ):
            while chunk := reader.read(_CHUNK):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
    except FileNotFoundError:
        problems.append(f"{path.name} is not there: there are no operations to show")
    except (OSError, zstandard.ZstdError) as error:
        problems.append(f"{path.name} is damaged; what stands before the damage is shown ({error})")
    if rest.strip():
        problems.append(f"{path.name} ends in the midst of a line; everything before it is shown")


def read(path: Path, problems: list[str]) -> tuple[Operations, list[dict[str, Any]]]:
    """Read a journal as far as it can be read; also the faults that its nemesis events tell of."""
    builder = _Builder()
    decode = msgspec.json.Decoder(_Line).decode
    bad = 0
    for line in _lines(path, problems):
        if not line:
            continue
        try:
            builder.add(decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            bad += 1
            if bad <= _PROBLEMS_MAX:
                problems.append(f"a line of {path.name} is left out: {error}")
    if bad > _PROBLEMS_MAX:
        problems.append(f"{bad - _PROBLEMS_MAX} more lines of {path.name} are left out")
    return builder.build(), _faults(builder.nemesis)


def _faults(events: list[_Line]) -> list[dict[str, Any]]:
    """Pair injections with healings, for runs that were never judged; the shape is that of `results.json`."""
    rows: list[dict[str, Any]] = []
    in_force: dict[str, dict[str, Any]] = {}
    for event in events:
        value: Any = None
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            value = msgspec.json.decode(event.value)
        if not isinstance(value, dict) or event.type == "invoke":
            continue
        plan = value.get("plan")
        plan = plan if isinstance(plan, dict) else {}
        if value.get("action") == "inject":
            nodes = plan.get("nodes")
            row = {
                "fault": event.f,
                "target": str(plan.get("target") or value.get("target") or ""),
                "nodes": [str(node) for node in nodes] if isinstance(nodes, list) else [],
                "injected_s": event.time / 1e9,
                "outcome": event.type,
                "proof": _proof(value),
            }
            rows.append(row)
            in_force[event.f] = row
        elif value.get("action") == "heal" and event.f in in_force:
            row = in_force.pop(event.f)
            row["healed_s"] = event.time / 1e9
            row["healed_proof"] = _proof(value)
    return rows


def _proof(value: dict[str, Any]) -> dict[str, Any] | None:
    proof = value.get("proof")
    if not isinstance(proof, dict):
        return None
    return {"holds": proof.get("holds") is True, "text": str(proof.get("text", ""))}
