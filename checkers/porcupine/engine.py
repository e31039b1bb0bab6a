"""Porcupine as an engine: quorate's models in Go, one process per check, limits kept from outside.

Porcupine's search can take tens of gigabytes. Go gets the limit, stops by itself when its heap reaches it, and the
process is watched and killed if that was not enough.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.checkers.models import MODELS as RECORDS
from quorate.checkers.porcupine.build import library, version
from quorate.checkers.porcupine.library import PorcupineError, call
from quorate.harness.core.evidence import Unexplained
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict, proven
from quorate.harness.history import History

GUARANTEE: Final = "linearizable"
# The models that are written in Go (go/models.go).
MODELS: Final = {name: model for name, model in RECORDS.items() if model.apart}
_VERDICTS: Final = {"Ok": Verdict.VALID, "Illegal": Verdict.INVALID, "Unknown": Verdict.UNKNOWN}
_POLL_S: Final = 0.005
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_ROOT: Final = Path(__file__).parents[3]
# What the process weighs before Go has done anything.
_BASE_BYTES: Final = 48 << 20
_SHOWN_MAX: Final = 5


def check_history(
    history: History,
    model: str,
    limits: Limits | None = None,
    *,
    per_key: bool = True,
    initial: Any = None,
    html: str | Path | None = None,
    isolated: bool = True,
    explain: bool = True,
) -> Result:
    """Judge with the real Porcupine; `html` names a file for its own page, `explain` seeks the key that is wrong.

    Without `isolated` it runs in this process: faster to start, for many small histories, but then Go's runtime stays,
    and its memory is limited by Go alone. `unknown` names the limit that was hit. Raises `ValueError` for an unknown
    model, `PorcupineMissingError` where Porcupine cannot be built; never for a bad history.
    """
    if model not in MODELS:
        msg = f'Porcupine has no model "{model}" here (known: {", ".join(MODELS)})'
        raise ValueError(msg)
    library()
    limits = limits or Limits()
    start = time.monotonic()
    request = {
        "what": "judge",
        "model": model,
        "initial": initial,
        "per_key": per_key,
        "timeout_s": max(limits.search_s, 1e-6),
        "memory_bytes": max(limits.memory_bytes - _BASE_BYTES, 1),
        "html": str(Path(html).absolute()) if html else "",
        "explain": explain,
    }
    process = _Process(limits)
    answer = process.run(msgspec.json.encode(request), history) if isolated else _here(request, history)
    return _result(answer, model, history, time.monotonic() - start)


def check(history: History, model: str, limits: Limits) -> Result:
    """Judge with the real Porcupine, as every engine does."""
    return check_history(history, model, limits)


def _here(request: dict[str, Any], history: History) -> dict[str, Any]:
    try:
        return call(request, history.handle.write("jsonl", 0, len(history)))
    except PorcupineError as error:
        return {"error": str(error)}


class _Process:
    """The worker: fed, watched, and ended when it takes too much."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._killed = ""
        self._peak = 0

    def run(self, request: bytes, history: History) -> dict[str, Any]:
        environment = {**os.environ, "GOMEMLIMIT": f"{max(self._limits.memory_bytes * 9 // 10, 1 << 20)}B"}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
        )
        worker = subprocess.Popen(
            [sys.executable, "-m", "quorate.checkers.porcupine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        watcher = threading.Thread(target=self._watch, args=(worker,), daemon=True)
        watcher.start()
        head = f"{len(request)}\n".encode() + request
        data = history.handle.write("jsonl", 0, len(history))
        try:
            out, errors = worker.communicate(head + data)
        finally:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            watcher.join()
        if self._killed:
            return {"result": "Unknown", "reason": self._killed, "peak_bytes": self._peak}
        if worker.returncode != 0:
            text = errors.decode(errors="replace").strip()
            reason = "memory" if "out of memory" in text else f"the process failed: {text[-500:]}"
            return {"result": "Unknown", "reason": reason, "peak_bytes": self._peak}
        answer: dict[str, Any] = msgspec.json.decode(out)
        return answer

    def _watch(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill at the limits. Time is Porcupine's own to keep; here it gets a tenth more, and what starting takes."""
        end = time.monotonic() + self._limits.time_s * 1.1 + 1.0
        # Not `until`: it measures, and kills at either limit.
        while worker.poll() is None and not self._killed:
            try:
                resident = int(Path(f"/proc/{worker.pid}/statm").read_text().split()[1]) * _PAGE
            except (OSError, IndexError, ValueError):
                resident = 0
            self._peak = max(self._peak, resident)
            if resident > self._limits.memory_bytes + _BASE_BYTES:
                self._killed = "memory"
            elif time.monotonic() > end:
                self._killed = "time"
            else:
                time.sleep(_POLL_S)
        if self._killed:
            worker.kill()


def _result(answer: Mapping[str, Any], model: str, history: History, wall_s: float) -> Result:
    verdict = Verdict.UNKNOWN if "error" in answer else _VERDICTS[answer["result"]]
    anomalies = [_anomaly(answer, history)] if "key" in answer else []
    kept = ("check_s", "check_cpu_s", "read_s", "parts")
    parts = {answer["key"]: Verdict.INVALID.value} if "key" in answer else {}
    return proven(
        Result(
            guarantee=GUARANTEE,
            verdict=verdict,
            engine=f"porcupine {version()}",
            model=model,
            reason=_reason(answer, verdict),
            operations=int(answer.get("operations", 0)),
            anomalies=anomalies,
            time_s=wall_s,
            cpu_s=float(answer.get("check_cpu_s", 0.0)),
            memory_mb=float(answer.get("peak_bytes", 0)) / 1e6,
            parts=parts,
            stats={name: answer[name] for name in kept if name in answer},
        ),
        history,
    )


def _reason(answer: Mapping[str, Any], verdict: Verdict) -> str:
    if "error" in answer:
        return str(answer["error"])
    if verdict == Verdict.UNKNOWN:
        reason = str(answer.get("reason", ""))
        limits = {
            "time": "Porcupine found no answer in the time given",
            "memory": "Porcupine reached the memory limit",
        }
        return limits.get(reason, reason)
    if verdict == Verdict.INVALID:
        return "no order of the operations explains all results"
    return ""


def _anomaly(answer: Mapping[str, Any], history: History) -> Anomaly:
    rest, explained = answer["rest"], answer["explained"]
    shown = []
    for index in rest[:_SHOWN_MAX]:
        event = history.event(history.position(index))
        shown.append(f"{event.f} of process {event.process} at index {index}")
    more = f" and {len(rest) - len(shown)} more" if len(rest) > len(shown) else ""
    key = msgspec.json.decode(answer["key"]) if answer["key"] else None
    of_key = f"of key {key} " if key is not None else ""
    sentence = (
        f"no order of the {answer['part_operations']} operations {of_key}explains all results; the longest that "
        f"Porcupine found has {len(explained)} of them and leaves out {', '.join(shown)}{more}"
    )
    return Anomaly(
        name="not-linearizable",
        sentence=sentence,
        key=key,
        events=sorted([*explained, *rest]),
        culprit=rest[0] if rest else None,
        detail=Unexplained(explained=explained, rest=rest),
    )
