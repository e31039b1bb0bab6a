"""Watch events: watchers see each change, once, in order, and before they are shown it.

ZooKeeper's programmer's guide promises of watches: they are ordered with respect to other events, other watches and
replies; a client sees the event before it sees the new data; events come in the order of the updates. Every answer on
a connection carries the state (zxid) that it was given in, so a connection can be replayed: what came between two
answers must be the changes between their states. One-shot watches report the first change only (documented).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from quorate.checkers.connections import Once, Standing, Stream
from quorate.checkers.facts import Facts
from quorate.checkers.replays import replayed
from quorate.harness.core.verdict import Limits, Result
from quorate.harness.history import Event, History


class NoticesAreReliable:
    """Every watcher sees each change once, in order, and before an answer shows a state that holds it.

    Functions: `set` (key: the name, value or None; completion: what happened) and `heed`, as
    `capabilities.Notices` has it. Consecutive `heed` operations with one number continue one watch. What had
    not come when a watch was last read is not a loss: delivery is eventual. O(n log n) in changes, times the names for
    one-shot watches.
    """

    name = "notices-are-reliable"

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; unknown where no watcher saw anything, or none came as far as the last change."""
        del limits
        started = time.perf_counter()
        events = list(history.events())
        facts = Facts(events)
        streams = list(_streams(events))
        found, reached, notices = list(facts.anomalies), 0, 0
        for stream in streams:
            replay = (Once if stream.once else Standing)(stream, facts)
            found += replay.run()
            reached = max(reached, replay.at)
            notices += sum(item[0] == "told" for item, _ in stream.items)
        missing = "" if notices else "no watcher saw a change"
        if notices and reached < facts.last_acknowledged:
            missing = "no watcher came as far as the last change that was acknowledged"
        stats = {
            "watches": len(streams),
            "one_shot": sum(stream.once for stream in streams),
            "notices": notices,
            "changes": len(facts.at),
        }
        return replayed(self.name, found, missing, operations=notices, started=started, stats=stats)


def _streams(events: Iterable[Event]) -> Iterator[Stream]:
    standing: dict[tuple[int | str, int], Stream] = {}
    for event in events:
        if event.f == "heed" and event.type == "ok":
            key = (event.process, event.value["watch"])
            if key not in standing:
                standing[key] = Stream(event.process, event.node, event.value["once"], [])
            standing[key].items += [(item, event) for item in event.value["items"]]
    yield from standing.values()
