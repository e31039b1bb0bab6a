"""Random small histories of a correct object, some then falsified: unknown outcomes, ties, mutated results."""

from __future__ import annotations

import random
from typing import Any

from tests.quality import oracle

FUNCTIONS = {
    "cas-register": ["read", "read", "write", "cas"],
    "kv": ["read", "read", "write", "cas", "delete", "append"],
    "set": ["add", "remove", "contains", "contains", "read"],
    "queue": ["enqueue", "enqueue", "dequeue", "dequeue", "dequeue"],
    "unordered-queue": ["enqueue", "enqueue", "dequeue", "dequeue", "dequeue"],
    "counter": ["add", "add", "read", "read"],
    "lock": ["acquire", "release"],
    "fenced-lock": ["acquire", "release"],
}


class Maker:
    """One random history; `unique`: no value is written twice; `style` picks variants of a model."""

    def __init__(
        self, seed: int, model: str, *, size: int = 7, processes: int = 3, unique: bool = False
    ) -> None:
        self.random = random.Random(seed)
        self.model = model
        self.size = size
        self.unique = unique
        self.fresh = 0
        self.token = 0
        self.state = oracle.initial(model)
        self.functions = FUNCTIONS[model]
        if model == "set":
            self.functions = self.random.choice(
                [["add", "remove", "contains", "contains"], ["add", "add", "read"], self.functions]
            )
        if model == "kv":
            self.functions = self.random.choice(
                [["read", "write", "cas", "delete"], ["read", "write", "append", "append"], self.functions]
            )
        self.steps = [1] if model == "counter" and self.random.random() < 0.6 else [1, 2, 5]
        self.unknown = self.random.choice([0.0, 0.15, 0.4])
        self.spread = self.random.choice([0.0, 0.3, 0.7])
        self.free = list(range(processes))
        self.next_process = processes
        self.pending: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.time = 0

    def history(self) -> list[dict[str, Any]]:
        asked = 0
        while asked < self.size or self.pending:
            choices = []
            if asked < self.size and self.free:
                choices.append("ask")
            if self.pending:
                choices += ["act", "end"]
            step = self.random.choice(choices)
            if step == "ask":
                self.ask()
                asked += 1
            elif step == "act":
                self.act(self.random.choice(self.pending))
            else:
                self.end(self.random.choice(self.pending))
        if self.random.random() < 0.6:
            for _ in range(self.random.choice([1, 1, 2])):
                self.falsify()
        self.events[-1]["time"] += (
            1  # a history whose times are all equal is taken in the order of its events
        )
        return self.events

    def value(self) -> Any:
        if self.unique:
            self.fresh += 1
            return self.fresh
        return self.random.choice([1, 2, 3])

    def argument(self, f: str) -> Any:
        grows = self.unique and self.functions == ["add", "add", "read"]
        fresh = grows or f in ("write", "enqueue", "append", "cas")
        value: Any = self.value() if fresh else self.random.choice([1, 2])
        if self.model == "kv" and f in ("write", "append"):
            return self.random.choice("ab") if not self.unique else str(value)
        if f == "cas":
            old = self.random.choice([1, 2, 3, None, self.state, self.state])
            if self.model == "kv":
                return [self.random.choice(["a", "b", self.state, self.state]), self.random.choice("ab")]
            return [old, value]
        if f == "add" and self.model == "counter":
            return self.random.choice(self.steps)
        return None if f in ("read", "dequeue", "acquire", "release", "delete") else value

    def event(self, process: int, kind: str, f: str, value: Any) -> None:
        self.time += 0 if self.random.random() < self.spread else 1
        self.events.append({"time": self.time, "process": process, "type": kind, "f": f, "value": value})

    def ask(self) -> None:
        process = self.free.pop(self.random.randrange(len(self.free)))
        f = self.random.choice(self.functions)
        if self.model.endswith("lock") and self.random.random() < 0.8:
            f = "release" if self.state[0] == process else "acquire"
        argument = self.argument(f)
        self.event(process, "invoke", f, argument)
        self.pending.append(
            {"process": process, "f": f, "argument": argument, "done": False, "lost": False, "result": None}
        )

    def act(self, one: dict[str, Any]) -> None:
        """Take effect, if it can and has not."""
        if one["done"]:
            return
        f, argument = one["f"], one["argument"]
        result = self.answer(f, argument)
        following = oracle.after(
            self.model, self.state, oracle.Operation(0, 1, f, argument, result, one["process"], 0)
        )
        one["done"] = True
        one["result"] = result if following else "refused"
        if following:
            self.state = following[0]
        if one["lost"]:
            self.pending.remove(one)

    def answer(self, f: str, argument: Any) -> Any:
        """What a correct object answers now."""
        if self.model == "set":
            return argument in self.state if f == "contains" else sorted(self.state) if f == "read" else None
        if f == "dequeue":
            at = 0 if self.model == "queue" else self.random.randrange(len(self.state) or 1)
            return self.state[at] if self.state else None
        if f == "acquire" and self.model == "fenced-lock" and self.random.random() < 0.9:
            self.token += 1
            return self.token
        return self.state if f == "read" else None

    def end(self, one: dict[str, Any]) -> None:
        process, f = one["process"], one["f"]
        if one["lost"]:
            self.pending.remove(one)
            return
        if self.random.random() < self.unknown:
            if self.random.random() < 0.7:
                self.event(process, "info", f, one["argument"])
            self.free.append(self.next_process)
            self.next_process += 1
            one["lost"] = True
            if one["done"] or self.random.random() < 0.5:
                self.pending.remove(one)
            return
        self.act(one)
        self.pending.remove(one)
        self.free.append(process)
        if one["result"] == "refused":
            seen = self.state if f == "cas" and self.random.random() < 0.5 else one["argument"]
            self.event(process, "fail", f, seen)
        elif f in ("read", "dequeue", "acquire", "contains"):
            self.event(process, "ok", f, one["result"])
        else:
            self.event(process, "ok", f, one["argument"])

    def falsify(self) -> None:
        """Change what one completed operation says."""
        ends = [event for event in self.events if event["type"] == "ok"]
        if not ends:
            return
        event = self.random.choice(ends)
        f = event["f"]
        if f == "contains":
            event["value"] = not event["value"]
        elif self.model == "set" and f == "read":
            event["value"] = sorted(self.random.sample([1, 2, 3], self.random.randrange(4)))
        elif f == "read" and self.model == "kv":
            event["value"] = self.random.choice([None, "a", "b", "ab", "ba", ""])
        elif f == "read":
            low = 0 if self.model == "counter" else 1
            event["value"] = self.random.choice([low, 1, 2, 3, 4, self.fresh or 5])
        elif f == "dequeue":
            event["value"] = self.random.choice([None, 1, 2, 3, self.fresh or 4])
        elif f == "acquire" and self.model == "fenced-lock":
            event["value"] = self.random.choice([1, 2, 3])
        else:
            event["type"] = self.random.choice(["fail", "info"])
            if self.random.random() < 0.5:
                event["f"] = f


def join(histories: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Many histories as the keys of one: their times and processes set apart."""
    joined = []
    offset = 0
    for key, history in enumerate(histories):
        top = 0
        for event in history:
            top = max(top, event["time"])
            joined.append(
                {
                    **event,
                    "index": len(joined),
                    "time": event["time"] + offset,
                    "process": event["process"] + key * 100,
                    "key": key,
                }
            )
        offset += top + 1
    return joined
