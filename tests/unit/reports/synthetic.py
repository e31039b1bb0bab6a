"""Made-up runs in the documented format: same arguments, same bytes. No server is involved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import zstandard

STARTED = datetime(2026, 10, 12, 3, 14, 15, 926535, UTC)
Timed = tuple[int, int, dict[str, Any]]
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'`\u2028{{7*7}}\x1b[31m"


def make(
    folder: Path,
    *,
    operations: int = 2000,
    rate: float = 200.0,
    seed: int = 7,
    verdict: str = "invalid",
    kind: str = "register",
    hostile: bool = False,
    nodes: int = 3,
    clients: int = 10,
) -> Path:
    """Write a whole run; `kind` is register, append or lock, and says what the anomaly (if any) looks like."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = Random(seed)
    names = [f"n{number + 1}" for number in range(nodes)]
    end_s = operations / rate
    faults = _faults(rng, names, end_s)
    history = _History(rng, names, clients, rate, faults, hostile=hostile)
    _journal(folder / "history.jsonl.zst", history.lines(operations, kind))
    broken = verdict == "invalid"
    guarantees = [_guarantee(kind, history, broken=broken, hostile=hostile), _second(operations)]
    _json(folder / "test.json", _test(kind, seed, end_s, names, clients, rate, hostile=hostile))
    _json(folder / "results.json", _results(verdict, guarantees, history, faults, names, end_s))
    _logs(folder, names, faults, end_s, rng, hostile=hostile)
    (folder / "quorate.log").write_text("03:14:15 cluster up\n03:14:16 first operation\n")
    return folder


def _faults(rng: Random, names: list[str], end_s: float) -> list[dict[str, Any]]:
    rows = []
    for number, fault in enumerate(("partition", "kill", "pause")):
        begin = end_s * (0.15 + 0.27 * number)
        hit = [names[0]] if fault == "partition" else [rng.choice(names)]
        rows.append(
            {
                "fault": fault,
                "target": "leader" if fault == "partition" else "one",
                "nodes": hit,
                "injected_s": round(begin, 3),
                "healed_s": round(begin + end_s * 0.12, 3),
                "outcome": "ok",
                "proof": {
                    "holds": True,
                    "text": {
                        "partition": f"3 of 3 probes from {hit[0]} to n2 and n3 died, probes between n2 and n3 lived",
                        "kill": f"process 4711 of {hit[0]} is gone from the process table",
                        "pause": f"process 4712 of {hit[0]} is in state T",
                    }[fault],
                },
                "healed_proof": {"holds": True, "text": "probes answer again in 0.4 ms"},
                "recovery_s": round(0.3 + rng.random(), 3),
                "availability": round(0.6 + 0.1 * number, 4),
            }
        )
    return rows


class _History:
    """Clients that are free pick up the next operation; a fault on a node makes most of its operations fail."""

    def __init__(
        self,
        rng: Random,
        names: list[str],
        clients: int,
        rate: float,
        faults: list[dict[str, Any]],
        *,
        hostile: bool,
    ) -> None:
        self.rng, self.names, self.rate, self.faults, self.hostile = rng, names, rate, faults, hostile
        self.free = [0] * clients
        self.process = list(range(clients))
        self.state: dict[str, int] = {}
        self.revision = 5
        self.counts: dict[tuple[str, str], int] = {}
        self.by_node: dict[tuple[str, str], int] = {}
        self.planted: list[dict[str, Any]] = []

    def lines(self, operations: int, kind: str) -> Iterator[bytes]:
        """The journal's lines in real-time order."""
        events = self._events(operations, kind)
        events.sort(key=lambda event: event[0])
        opened: dict[int, int] = {}
        for index, (time, number, event) in enumerate(events):
            event["index"], event["time"] = index, time
            if event["type"] == "invoke":
                opened[number] = index
            elif number >= 0:
                event["index_of_invoke"] = opened[number]
            if event.pop("planted", False):
                self.planted.append(dict(event))
            yield json.dumps(event, separators=(",", ":")).encode() + b"\n"

    def _events(self, operations: int, kind: str) -> list[Timed]:
        events: list[Timed] = []
        step, plant_at, after = 1e9 / self.rate, int(operations * 0.2), 0
        for number in range(operations):
            begin = int(number * step + self.rng.random() * step * 0.6)
            nth = number - plant_at
            planted = 0 <= nth <= 2
            if planted:
                # One after the other: nothing may be wrong but the value read.
                begin = max(begin, after + 500_000)
            client = self._client(number, begin)
            begin = max(begin, self.free[client] + 1000)
            invoke, done, took = self._operation(number, kind, client, begin, nth if planted else None)
            after = begin + took
            self.free[client] = after
            events += [(begin, number, invoke), (after, number, done)]
            self._count(client, invoke["f"], done["type"])
        return events + self._nemesis()

    def _client(self, number: int, begin: int) -> int:
        """The next one that is free, as a runner would pick; with all of them waiting, the first to be so."""
        order = [(number + shift) % len(self.free) for shift in range(len(self.free))]
        return next((one for one in order if self.free[one] < begin), min(order, key=self.free.__getitem__))

    def _operation(
        self, number: int, kind: str, client: int, begin: int, nth: int | None
    ) -> tuple[dict[str, Any], dict[str, Any], int]:
        rng, node = self.rng, self.names[client % len(self.names)]
        key = "k7" if nth is not None else f"k{rng.randrange(20)}"
        if self.hostile and number % 50 == 0 and nth is None:
            key += HOSTILE
        fault = None if nth is not None else self._fault(begin / 1e9, node)
        took = int(1e6 * rng.lognormvariate(0.7, 0.5) * (4 if fault else 1))
        f = self._function(number, kind, nth)
        asked = self._asked(f, key, number)
        base = {"process": self.process[client], "f": f, "key": None if f == "txn" else key, "node": node}
        base["planted"] = nth is not None
        done: dict[str, Any] = {**base, "type": "ok"}
        if fault and rng.random() < 0.7:
            lost = rng.random() < 0.6
            done["type"] = "info" if lost else "fail"
            done["error"] = (
                ["deadline", "context deadline exceeded"] if lost else ["unavailable", "no leader"]
            )
            took = int(1e9) if lost else took
            done["value"] = asked
        elif f == "cas" and nth is None and rng.random() < 0.5:
            done |= {
                "type": "fail",
                "error": ["mismatch", "answered: value differs"],
                "value": self.state.get(key),
            }
        else:
            done["value"] = number - 2 if nth == 2 and f == "read" else self._answer(f, key, number, asked)
        if done["type"] == "ok" or f == "cas":
            done["version"] = self.revision
        return {**base, "type": "invoke", "value": asked}, done, took

    def _function(self, number: int, kind: str, nth: int | None) -> str:
        if kind == "append":
            return "txn"
        if kind == "lock":
            return ("acquire", "release")[number // len(self.free) % 2]
        if nth is not None:
            return ("write", "write", "read")[nth]
        return ("read", "write", "cas")[min(2, int(self.rng.random() * 2.3))]

    def _asked(self, f: str, key: str, number: int) -> Any:
        if f == "write":
            return HOSTILE if self.hostile and number % 40 == 0 else number
        if f == "cas":
            return [self.state.get(key), number]
        return [["append", key, number], ["r", key, None]] if f == "txn" else None

    def _answer(self, f: str, key: str, number: int, asked: Any) -> Any:
        if f == "read":
            return self.state.get(key)
        if f in ("write", "cas"):
            self.state[key] = number
            self.revision += 1
            return asked
        return (
            [["append", key, number], ["r", key, [number]]]
            if f == "txn"
            else number
            if f == "acquire"
            else None
        )

    def _count(self, client: int, f: str, outcome: str) -> None:
        if outcome == "info":
            self.process[client] += len(self.free)
        node = self.names[client % len(self.names)]
        self.counts[f, outcome] = self.counts.get((f, outcome), 0) + 1
        self.by_node[node, outcome] = self.by_node.get((node, outcome), 0) + 1

    def _nemesis(self) -> list[Timed]:
        events: list[Timed] = []
        for row in self.faults:
            plan = {"fault": row["fault"], "target": row["target"], "nodes": row["nodes"], "detail": {}}
            acts = (
                ("inject", row["injected_s"], row["proof"]),
                ("heal", row["healed_s"], row["healed_proof"]),
            )
            for action, moment, proof in acts:
                base = {"process": "nemesis", "f": row["fault"], "key": None}
                asked = {**base, "type": "invoke", "value": {"action": action}}
                done = {**base, "type": "ok", "value": {"action": action, "plan": plan, "proof": proof}}
                events += [(int(moment * 1e9) - 5_000_000, -1, asked), (int(moment * 1e9), -1, done)]
        return events

    def _fault(self, time_s: float, node: str) -> dict[str, Any] | None:
        for row in self.faults:
            if row["injected_s"] <= time_s < row["healed_s"] and node in row["nodes"]:
                return row
        return None


def _journal(path: Path, lines: Iterator[bytes]) -> None:
    with path.open("wb") as raw, zstandard.ZstdCompressor(level=3).stream_writer(raw) as writer:
        batch: list[bytes] = []
        for line in lines:
            batch.append(line)
            if len(batch) >= 10_000:
                writer.write(b"".join(batch))
                batch.clear()
        writer.write(b"".join(batch))


def _guarantee(kind: str, history: _History, *, broken: bool, hostile: bool) -> dict[str, Any]:
    guarantee = {"register": "linearizable", "append": "strict serializable", "lock": "mutual exclusion"}[
        kind
    ]
    total = sum(history.counts.values())
    base = {
        "guarantee": guarantee, "engine": "zones", "model": kind, "operations": total, "time_s": 0.041, "cpu_s": 0.04,
        "memory_mb": 12.5, "parts": {f"k{n}": "valid" for n in range(20)}, "stats": {"keys": 20, "longest key": 131},
    }  # fmt: skip
    if not broken:
        return {**base, "verdict": "valid", "witness": "witness.jsonl.zst"}
    return {
        **base,
        "verdict": "invalid",
        "parts": {**base["parts"], "k7": "invalid"},
        "anomalies": [_anomaly(kind, history, hostile=hostile)],
    }


def _anomaly(kind: str, history: _History, *, hostile: bool) -> dict[str, Any]:
    events = [event["index"] for event in history.planted]
    invokes = [event for event in history.planted if event["type"] == "invoke"]
    culprit = invokes[-1]
    if kind == "register":
        writes = [event["value"] for event in invokes[:2]]
        reader, writer = culprit["process"], invokes[1]["process"]
        sentence = (
            f"p{reader} read {writes[0]} from k7, but {writes[1]} had been written by p{writer} "
            f"and acknowledged before p{reader} asked."
        )
        steps = [
            {"operation": one["index"], "place": place, "state": str(one["value"])}
            for place, one in enumerate(invokes[:2], start=1)
        ]
        steps.append({"operation": culprit["index"], "text": f"could only have met {writes[1]}"})
        name = HOSTILE if hostile else "stale read"
        return {
            "name": name,
            "sentence": sentence + (HOSTILE if hostile else ""),
            "key": "k7",
            "events": events,
            "culprit": culprit["index"],
            "detail": {"kind": "contradiction", "minimal": True, "steps": steps},
        }
    if kind == "append":
        first, second, third = (event["index"] for event in invokes)
        cycle = [
            {"from": first, "to": second, "kind": "wr", "why": "T2 read the element that T1 appended to k7"},
            {"from": second, "to": third, "kind": "rw", "why": "T3 appended to k7 what T2 did not see"},
            {"from": third, "to": first, "kind": "rt", "why": "T3 ended before T1 began"},
        ]
        return {
            "name": "G-single",
            "sentence": "T2 saw T1 but missed T3, which had ended before T1 began.",
            "events": events,
            "culprit": second,
            "detail": {"kind": "cycle", "cycle": cycle},
        }
    intervals = [
        {"process": 3, "node": "n1", "from_s": 2.0, "to_s": 2.6, "kind": "held", "token": 31},
        {"process": 5, "node": "n3", "from_s": 2.4, "to_s": 3.1, "kind": "held", "token": 32},
        {"process": 4, "node": "n2", "from_s": 3.05, "to_s": None, "kind": "maybe"},
    ]
    return {
        "name": "two holders",
        "sentence": "p3 and p5 both held lock k7 from 2.400 s to 2.600 s.",
        "key": "k7",
        "events": events,
        "culprit": culprit["index"],
        "detail": {"intervals": intervals},
    }


def _second(operations: int) -> dict[str, Any]:
    return {
        "guarantee": "versions never regress",
        "verdict": "valid",
        "engine": "scan",
        "operations": operations,
        "time_s": 0.01,
        "reason": "Every version a process saw was at least the one it saw before.",
    }


def _test(
    kind: str, seed: int, end_s: float, names: list[str], clients: int, rate: float, *, hostile: bool
) -> dict[str, Any]:
    command = (
        f"quorate test etcd@3.5.30 -w {kind} -f partition:leader,kill,pause --time {end_s:g}s --cluster local "
        f"--set reads=serializable --seed {seed}"
    )
    return {
        "name": f"etcd-{kind}-partition-kill-pause" + (HOSTILE if hostile else ""),
        "system": "etcd",
        "release": "3.5.30",
        "workload": [kind],
        "faults": ["partition:leader", "kill", "pause"],
        "cluster": "local",
        "nodes": len(names),
        "clients": clients,
        "rate": rate,
        "time_s": end_s,
        "timeout_s": 1.0,
        "seed": seed,
        "settings": {"reads": "serializable"},
        "command": command,
        "versions": {"quorate": "0.1.0", "etcd": "3.5.30", "python": "3.11.2", "kernel": "6.1.0"},
        "started": STARTED.isoformat(),
        "run_id": f"q{seed:04d}",
    }


def _results(
    verdict: str,
    guarantees: list[dict[str, Any]],
    history: _History,
    faults: list[dict[str, Any]],
    names: list[str],
    end_s: float,
) -> dict[str, Any]:
    def total(outcome: str) -> int:
        return sum(count for (_, found), count in history.counts.items() if found == outcome)

    functions = sorted({f for f, _ in history.counts})
    reason = {
        "invalid": guarantees[0].get("anomalies", [{}])[0].get("sentence", ""),
        "valid": "Every guarantee held over everything that clients saw, while 3 faults were in force.",
        "unknown": "The pause was never proved: no process was seen in state T.",
    }[verdict]
    return {
        "verdict": verdict,
        "exit_code": {"valid": 0, "invalid": 1, "unknown": 2}[verdict],
        "reason": reason,
        "guarantees": guarantees,
        "statistics": {
            "operations": sum(history.counts.values()),
            **{outcome: total(outcome) for outcome in ("ok", "fail", "info")},
            "rate_per_s": round(total("ok") / end_s, 1),
            "by_function": {
                f: {
                    **{o: history.counts.get((f, o), 0) for o in ("ok", "fail", "info")},
                    "latency_ms": {"p50": 2.01, "p95": 4.6, "p99": 8.9, "max": 21.4},
                }
                for f in functions
            },
            "by_node": {
                n: {o: history.by_node.get((n, o), 0) for o in ("ok", "fail", "info")} for n in names
            },
            "errors": {"deadline": total("info"), "mismatch": total("fail")},
        },
        "faults": faults,
        "availability": dict.fromkeys(names, 0.93),
        "unavailable": [
            {"node": row["nodes"][0], "from_s": row["injected_s"] + 0.1, "to_s": row["healed_s"] + 0.3}
            for row in faults
        ],
        "recovery_s": 1.1,
        "gates": [
            {
                "name": "operations",
                "holds": True,
                "text": f"{total('ok')} operations succeeded, 50 are needed",
            },
            {
                "name": "fault pause",
                "holds": verdict != "unknown",
                "text": "pause was injected once, proved " + ("once" if verdict != "unknown" else "never"),
            },
        ],
        "loop_lag_ms": {"p50": 0.1, "p99": 2.2, "max": 9.7},
        "leaders": [
            {"time_s": 0.0, "node": names[0], "term": 2},
            {"time_s": round(end_s * 0.16, 3), "node": names[-1], "term": 3},
        ],
        "deaths": [],
        "interrupted": False,
    }


def _logs(
    folder: Path, names: list[str], faults: list[dict[str, Any]], end_s: float, rng: Random, *, hostile: bool
) -> None:
    for number, name in enumerate(names):
        lines = []
        for step in range(200):
            moment = STARTED + timedelta(seconds=end_s * step / 200 + 0.01 * number)
            level, message = (
                ("info", "applied index is ahead") if step % 9 else ("warn", "apply request took too long")
            )
            lines.append(
                {
                    "level": level,
                    "ts": moment.isoformat().replace("+00:00", "Z"),
                    "caller": "etcdserver/util.go:170",
                    "msg": message,
                    "took": f"{rng.random():.3f}s",
                }
            )
        for row in faults:
            moment = STARTED + timedelta(seconds=row["injected_s"] + 0.2)
            message = "lost leader; elected at term 3" + (HOSTILE if hostile else "")
            lines.append({"level": "error", "ts": moment.isoformat().replace("+00:00", "Z"), "msg": message})
        lines.sort(key=lambda line: str(line["ts"]))
        target = folder / "nodes" / name
        target.mkdir(parents=True, exist_ok=True)
        (target / "etcd.log").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
