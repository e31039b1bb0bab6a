"""What came on a watcher's connection, replayed against the changes that are known.

Between two answers come the notices of the changes between their states; one-shot watches give the first each.
"""

from __future__ import annotations

import abc
from collections import Counter
from typing import Any, Final

import msgspec

from quorate.checkers.facts import Facts, say
from quorate.checkers.replays import shown_by
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event

_NEXT: Final = {"created": {"changed", "deleted"}, "changed": {"changed", "deleted"}, "deleted": {"created"}}


class Stream(msgspec.Struct):
    """One watch of one client: all that came on its connection, each item with the completion that carried it."""

    process: int | str
    node: str | None
    once: bool
    items: list[tuple[list[Any], Event]]

    @property
    def who(self) -> str:
        """The watcher in words."""
        return f"the {'one-shot watches' if self.once else 'watch'} of p{self.process}" + (
            f" at {self.node}" if self.node else ""
        )


class Replay(abc.ABC):
    """What both kinds of watches have in common: answers whose states never go back, and reads that fit them."""

    def __init__(self, stream: Stream, facts: Facts) -> None:
        self.stream = stream
        self.facts = facts
        self.at = 0  # the state of the latest answer
        self.found: list[Anomaly] = []
        self.told_last = 0  # the highest version that a notice carried
        self._of: dict[int, Event] = {}  # who reported a version

    def run(self) -> list[Anomaly]:
        """Go through the items; the first violation ends it, for what such a watch shows then says nothing more."""
        for item, event in self.stream.items:
            match item:
                case ["set", at]:
                    self.at = max(self.at, at)
                case ["told", kind, name, version]:
                    self._in_order(name, version, event)
                    self.notice(kind, name, version, event)
                case ["read", name, _, version, at, watched]:
                    self._answer(name, version, at, event)
                    if not self.found:
                        self.read(name, version, at, watched, event)
                    self.at = at
            if self.found:
                break
        return self.found[:1]

    @abc.abstractmethod
    def notice(self, kind: str, name: str, version: int | None, event: Event) -> None:
        """Take note of a notice."""

    @abc.abstractmethod
    def read(self, name: str, version: int, at: int, watched: bool, event: Event) -> None:  # noqa: FBT001
        """Judge what should have come before an answer."""

    def tell(self, anomaly: str, text: str, event: Event, *others: Event) -> None:
        """Note a violation of this watch."""
        self.found.append(shown_by(anomaly, f"{self.stream.who} {text}", event, *others))

    def lost(self, version: int, at: int, event: Event) -> None:
        """Note that a change was never reported, though an answer shows a state that holds it."""
        fact = self.facts.at[version]
        text = f"was shown state {at:#x} and not shown {say(fact)} at {version:#x}"
        self.tell("notice lost", text, event, fact.event)

    def _in_order(self, name: str, version: int | None, event: Event) -> None:
        if version is None:
            return
        if version in self._of:
            self.tell("notice twice", f"saw {name} at {version:#x} twice", event, self._of[version])
        elif version < self.told_last:
            text = f"saw {name} at {version:#x} after {self.told_last:#x}"
            self.tell("notices out of order", text, event, self._of[self.told_last])
        elif version <= self.at:
            text = f"was shown state {self.at:#x}, and then saw {name} at {version:#x}"
            self.tell("data before its notice", text, event)
        self._of[version] = event
        self.told_last = max(self.told_last, version)

    def _answer(self, name: str, version: int, at: int, event: Event) -> None:
        """An answer by itself: not older than the one before it, nor than the changes that its state holds."""
        latest = self.facts.latest(name, at)
        gone = latest and self.facts.at[latest].kind == "deleted"
        if at < self.at:
            self.tell("state went back", f"was shown state {at:#x} after {self.at:#x}", event)
        elif self.told_last > at:
            text = f"saw {self.told_last:#x}, and then shown the older state {at:#x}"
            self.tell("state went back", text, event, self._of[self.told_last])
        elif version > at:
            self.tell("read ahead of its state", f"read {name} of {version:#x} in state {at:#x}", event)
        elif (version and version < latest) or (
            not version and latest and not gone and not self.facts.open[name, "deleted"]
        ):
            fact = self.facts.at[latest]
            seen = f"of {version:#x}" if version else "as not there"
            text = f"read {name} {seen} in state {at:#x}, which holds {say(fact)} at {latest:#x}"
            self.tell("read behind its state", text, event, fact.event)


class Standing(Replay):
    """A watch for good: between two answers come notices of exactly the changes between their states."""

    def __init__(self, stream: Stream, facts: Facts) -> None:
        super().__init__(stream, facts)
        self._pending: list[tuple[str, str, int | None]] = []
        self._kinds: dict[str, str] = {}  # of each name's last notice
        self._seen: dict[str, int] = {}  # what the last read of a name showed, while no notice came since
        self._extra: Counter[tuple[str, str]] = Counter()

    def notice(self, kind: str, name: str, version: int | None, event: Event) -> None:
        """A name's notices must follow one upon another as changes can."""
        before = self._kinds.get(name)
        if not self.found and before is not None and kind not in _NEXT[before]:
            self.tell("notices out of order", f"saw that {name} was {before} and then {kind}", event)
        self._kinds[name] = kind
        self._seen.pop(name, None)
        self._pending.append((kind, name, version))

    def read(self, name: str, version: int, at: int, watched: bool, event: Event) -> None:  # noqa: FBT001, ARG002
        """Everything up to this state must have been reported, and no more."""
        known, pending = self.facts.between(self.at, at), self._pending
        self._pending = []
        if all(each[2] is not None for each in pending):
            missing = set(known) - {each[2] for each in pending}
            if missing:
                self.lost(min(missing), at, event)
        else:
            self._match(known, pending, at, event)
        last = self._kinds.get(name)
        if self.found:
            return
        if last is not None and (last == "deleted") == bool(version):
            text = f"last saw that {name} was {last}, and read it {'' if version else 'not '}there"
            self.tell("data before its notice", text, event)
        elif self._seen.get(name, version) != version:
            text = f"read {name} of {self._seen[name]:#x} and then of {version:#x}, with no notice between"
            self.tell("data before its notice", text, event)
        self._seen[name] = version

    def _match(
        self, known: list[int], pending: list[tuple[str, str, int | None]], at: int, event: Event
    ) -> None:
        """Without versions: the known changes in their order, and between them what has no answer."""
        place, extra = 0, self._extra
        for kind, name, _ in pending:
            fact = self.facts.at[known[place]] if place < len(known) else None
            exact = fact is not None and fact.kind == kind
            if (
                fact is not None
                and fact.name == name
                and (exact or (fact.kind is None and kind != "deleted"))
            ):
                place += 1
            else:
                extra[name, "deleted" if kind == "deleted" else "set"] += 1
        if place < len(known):
            came = Counter((name, kind == "deleted") for kind, name, _ in pending)
            held = Counter((self.facts.at[v].name, self.facts.at[v].kind == "deleted") for v in known)
            if held <= came:
                names = [name for _, name, _ in pending]
                text = f"saw {', '.join(names)} up to state {at:#x}, which is not the order of the changes"
                self.tell("notices out of order", text, event)
            else:
                lost = next(v for v in known if not self._came(v, held, came))
                self.lost(lost, at, event)
            return
        for (name, does), count in extra.items():
            if count > self.facts.open[name, does]:
                change = "a deletion" if does == "deleted" else "a change"
                text = f"was notified of {change} of {name} that never happened"
                self.tell("notice of nothing", f"{text} (up to state {at:#x})", event)
                return

    def _came(self, version: int, held: Counter[tuple[str, bool]], came: Counter[tuple[str, bool]]) -> bool:
        fact = self.facts.at[version]
        key = (fact.name, fact.kind == "deleted")
        return held[key] <= came[key]


class Once(Replay):
    """One-shot watches: one notice for each time that a watch was set, and no answer past an unnoticed change."""

    def __init__(self, stream: Stream, facts: Facts) -> None:
        super().__init__(stream, facts)
        self._set: dict[str, tuple[int, int]] = {}  # name: its version and the state, when its watch was set
        self._before: dict[str, int] = {}  # name: its version when the watch was set that a notice has ended

    def notice(self, kind: str, name: str, version: int | None, event: Event) -> None:
        """It must be of a watch that is set, of a kind that can be, and of the first change since."""
        if self.found:
            return
        if name not in self._set:
            self.tell("notice twice", f"saw that {name} was {kind}, without a watch on it", event)
            return
        before, at = self._set.pop(name)
        self._before[name] = before
        if (kind == "created") == bool(before):
            text = f"saw that {name} was {kind}, having read it {'' if before else 'not '}there"
            self.tell("notices out of order", text, event)
            return
        first = self.facts.first(name, at, 1 << 63)
        if version is not None:
            if first is not None and first < version:
                self.lost(first, version, event)
        elif self.facts.closed(name):
            self._place(kind, name, first, event)

    def _place(self, kind: str, name: str, first: int | None, event: Event) -> None:
        """Where every change of the name is known, a notice without a version is of the first one since."""
        if first is None:
            self.tell("notice of nothing", f"saw that {name} was {kind}, and nothing changed it since", event)
            return
        fact = self.facts.at[first]
        if fact.kind not in {kind, None}:
            text = f"saw that {name} was {kind}, by {say(fact)} at {first:#x}"
            self.tell("notice contradicts the change", text, event, fact.event)
        elif first < self.told_last:
            text = f"saw {name} at {first:#x} after the change at {self.told_last:#x}"
            self.tell("notices out of order", text, event, self._of[self.told_last])
        elif first <= self.at:
            text = f"was shown state {self.at:#x}, and then saw {name} at {first:#x}"
            self.tell("data before its notice", text, event)
        self.told_last = max(self.told_last, first)
        self._of.setdefault(first, event)

    def read(self, name: str, version: int, at: int, watched: bool, event: Event) -> None:  # noqa: FBT001
        """No watch that is set may have a change up to this state; a name whose watch fired must have changed."""
        for other, (_, since) in self._set.items():
            first = self.facts.first(other, since, at)
            if first is not None:
                self.lost(first, at, event)
                return
        if name in self._set and self._set[name][0] != version:
            text = f"read {name} of {self._set[name][0]:#x} and then of {version:#x}, with no notice between"
            self.tell("data before its notice", text, event)
        elif watched:
            before = self._before.pop(name, None)
            if before and before == version:
                text = f"saw a change of {name}, and read it of {version:#x} as before"
                self.tell("notice of nothing", text, event)
            self._set[name] = (version, at)
