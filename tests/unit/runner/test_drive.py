"""The runner in virtual time: outcomes, deadlines, retirement, stops, and what happens when things hang."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from random import Random

import pytest

from quorate.harness.core.clock import clock_of, run_virtual
from quorate.harness.core.outcome import Broken, Refused, Reply, Unknown
from quorate.harness.generators import (
    PENDING,
    Generator,
    Invocation,
    any_of,
    delay,
    each,
    limit,
    on_clients,
    on_nemesis,
    phases,
    reactive,
    repeat,
    sequence,
    sleep,
    stagger,
    time_limit,
)
from quorate.harness.history.event import Event
from quorate.harness.run.runner import Connection, DriveStats, Nemesis, NemesisOutcome, Recorder, drive
from quorate.harness.run.runner.drive import Engine

OPS = each(lambda n, _draws: Invocation("w", "k", n))


class FakeClient:
    def __init__(self, process: int) -> None:
        self.process = process
        self.closed = False

    async def close(self) -> None:
        self.closed = True


class Bench:
    """A run in virtual time with a fake client; what it records and opens stays for a look."""

    def __init__(
        self, perform: Callable[[FakeClient, Invocation], Awaitable[Reply]], clients: int = 3
    ) -> None:
        self.perform = perform
        self.clients = clients
        self.events: list[Event] = []
        self.opened: list[FakeClient] = []
        self.recorder: Recorder | None = None

    async def open(self, thread: int, process: int) -> Connection:
        client = FakeClient(process)
        self.opened.append(client)
        return Connection(client, f"n{thread % 2 + 1}")

    async def drive(self, operations: Generator, **options) -> DriveStats:
        loop = asyncio.get_running_loop()
        self.recorder = self.recorder or Recorder(self.events.append, clock_of(loop), self.clients)
        options = {"timeout_s": 1.0, "deadline_s": 100.0, "open_client": self.open} | options
        return await drive(operations, perform=self.perform, recorder=self.recorder, **options)

    def run(self, operations: Generator, **options) -> DriveStats:
        return run_virtual(self.drive(operations, **options))

    def completions(self) -> list[Event]:
        return [event for event in self.events if event.type != "invoke"]


async def ok_after_10_ms(_client: FakeClient, invocation: Invocation) -> Reply:
    await asyncio.sleep(0.01)
    return Reply(version=invocation.value)


def paired(events: list[Event]) -> None:
    """Indexes count up, times never go back, completions name their invocations, no process does two things at once."""
    assert [event.index for event in events] == list(range(len(events)))
    assert all(a.time <= b.time for a, b in pairwise(events))
    open_: dict[int | str, int] = {}
    for event in events:
        if event.type == "invoke":
            assert event.process not in open_
            open_[event.process] = event.index
        else:
            assert open_.pop(event.process) == event.index_of_invoke
    assert not open_


def test_operations_are_recorded_with_both_ends():
    bench = Bench(ok_after_10_ms)
    stats = bench.run(limit(30, OPS))
    paired(bench.events)
    assert (stats.operations, stats.ok, stats.ended) == (30, 30, "exhausted")
    first, done = bench.events[0], bench.completions()[0]
    assert (first.f, first.key, first.value, first.node, first.process) == ("w", "k", 0, "n1", 0)
    assert (done.type, done.value, done.version, done.time - first.time >= 10_000_000) == ("ok", 0, 0, True)
    assert stats.duration_s == pytest.approx(0.1, abs=0.01)
    assert all(client.closed for client in bench.opened)
    assert len(bench.opened) == 3


def test_each_outcome_becomes_its_event():
    async def perform(_client, invocation):
        match invocation.value:
            case 0:
                return Reply(value="seen", version=5, member="n9", session="s1")
            case 1:
                raise Refused("mismatch", "not that", seen=41, version=7)
            case 2:
                raise Refused("no-leader")
            case _:
                raise Unknown("timeout", "late")

    bench = Bench(perform, clients=1)
    bench.run(limit(4, OPS))
    rows = [(e.type, e.value, e.version, e.node, e.session, e.error) for e in bench.completions()]
    assert rows == [
        ("ok", "seen", 5, "n9", "s1", None),
        ("fail", 41, 7, "n1", None, ["mismatch", "not that"]),
        ("fail", 2, None, "n1", None, ["no-leader", ""]),
        ("info", 3, None, "n1", None, ["timeout", "late"]),
    ]


def test_a_process_is_retired_after_info_and_only_then():
    async def perform(_client, invocation):
        await asyncio.sleep(0.01)
        if invocation.value in {3, 4}:
            raise Unknown("timeout")
        if invocation.value == 5:
            raise Refused("no")
        return Reply()

    bench = Bench(perform, clients=2)
    bench.run(limit(12, OPS))
    paired(bench.events)
    retired = [e.process for e in bench.completions() if e.type == "info"]
    assert len(retired) == 2
    for process in retired:
        last = max(e.index for e in bench.events if e.process == process)
        assert bench.events[last].type == "info"
        assert any(e.process == process + 2 for e in bench.events)
    assert {client.process for client in bench.opened} == {e.process for e in bench.events}
    assert all(client.closed for client in bench.opened)


def test_a_client_that_hangs_is_abandoned_at_the_deadline_and_others_go_on():
    async def perform(_client, invocation):
        await asyncio.sleep(1000 if invocation.value == 4 else 0.01)
        return Reply()

    bench = Bench(perform)
    stats = bench.run(time_limit(5, delay(0.05, OPS)))
    paired(bench.events)
    (late,) = [e for e in bench.completions() if e.type == "info"]
    assert late.error == ["timeout", "no answer within 1.25 s"]
    begun = bench.events[late.index_of_invoke]
    assert 1.25e9 <= late.time - begun.time <= 1.36e9
    assert stats.abandoned == 1
    assert stats.stuck == 0
    assert stats.ok == 99
    assert any(e.process == begun.process + 3 for e in bench.events)


def test_a_client_that_ignores_cancellation_cannot_hold_the_run():
    released = asyncio.Event()

    async def perform(_client, invocation):
        while invocation.value == 4 and not released.is_set():
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue
        await asyncio.sleep(0.01)
        return Reply(value="too late") if invocation.value == 4 else Reply()

    bench = Bench(perform)

    async def main():
        stats = await bench.drive(time_limit(5, delay(0.05, OPS)))
        released.set()  # lets the task end, so that the test leaves nothing behind
        return stats

    stats = run_virtual(main())
    paired(bench.events)
    assert stats.stuck == 1
    assert [e.error[0] for e in bench.completions() if e.type == "info"] == ["timeout"]
    assert stats.duration_s < 7
    assert not any(e.value == "too late" for e in bench.events)


def test_an_answer_after_the_deadline_goes_unheard():
    async def perform(_client, invocation):
        if invocation.value == 0:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                await asyncio.sleep(0.5)  # a client that finishes something first
                return Reply(value="too late")
        await asyncio.sleep(0.01)
        return Reply()

    bench = Bench(perform, clients=1)
    bench.run(time_limit(4, delay(0.1, OPS)))
    paired(bench.events)
    assert [e.type for e in bench.completions()][:2] == ["info", "ok"]
    assert not any(e.value == "too late" for e in bench.events)


def test_a_client_that_cannot_open_fails_for_certain_and_slowly():
    bench = Bench(ok_after_10_ms, clients=2)
    attempts = []

    async def open_client(thread: int, process: int) -> Connection:
        if thread == 0:
            attempts.append(process)
            raise Refused("connection-refused", "nobody listens")
        return await bench.open(thread, process)

    stats = bench.run(time_limit(10, OPS), open_client=open_client)
    paired(bench.events)
    failed = [e for e in bench.completions() if e.type == "fail"]
    assert {tuple(e.error) for e in failed} == {("no-client", "connection-refused: nobody listens")}
    assert stats.no_client == len(failed)
    # 50, 100, 200, 400, 800 ms, then one a second.
    assert 12 <= len(failed) <= 15
    assert stats.ok > 900
    assert len(set(attempts)) == len(attempts)


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_client_that_hangs_while_it_opens_is_no_client(stubborn):
    bench = Bench(ok_after_10_ms, clients=2)
    released = asyncio.Event()

    async def open_client(thread: int, process: int) -> Connection:
        while thread == 0 and not released.is_set():
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                if not stubborn:
                    raise
        return await bench.open(thread, process)

    async def main():
        stats = await bench.drive(time_limit(10, OPS), open_client=open_client)
        released.set()
        return stats

    stats = run_virtual(main())
    paired(bench.events)
    failed = [e for e in bench.completions() if e.type == "fail"]
    assert {tuple(e.error) for e in failed} == {("no-client", "timeout: opening took longer than 1.25 s")}
    assert 4 <= len(failed) <= 8
    assert stats.ok > 900
    assert (stats.stuck > 0) == stubborn


def test_an_error_without_a_meaning_is_a_bug_of_the_client_and_stops_the_run():
    async def perform(_client, invocation):
        await asyncio.sleep(0.01)
        if invocation.value == 7:
            raise KeyError("oops")
        return Reply()

    bench = Bench(perform)
    with pytest.raises(Broken, match=r"FakeClient raised KeyError: 'oops' in w"):
        bench.run(repeat_forever())
    paired(bench.events)
    assert ["client-bug", "KeyError: 'oops'"] in [e.error for e in bench.completions() if e.type == "info"]
    assert len(bench.events) < 40


def repeat_forever() -> Generator:
    return OPS


def test_broken_stops_the_run_with_its_own_words():
    async def perform(_client, invocation):
        await asyncio.sleep(0.01)
        raise Broken("binary", "etcd is not there; fetch it with quorate fetch etcd")

    bench = Bench(perform)
    with pytest.raises(Broken, match="fetch it with"):
        bench.run(OPS)
    paired(bench.events)
    assert all(client.closed for client in bench.opened)


def test_a_call_cancelled_by_the_library_is_unknown():
    async def perform(_client, invocation):
        await asyncio.sleep(0.01)
        if invocation.value == 1:
            raise asyncio.CancelledError
        return Reply()

    bench = Bench(perform, clients=1)
    stats = bench.run(limit(5, OPS))
    assert (stats.ok, stats.info) == (4, 1)


def test_stop_ends_promptly_and_what_is_under_way_becomes_unknown():
    async def perform(_client, invocation):
        await asyncio.sleep({0: 0.2, 1: 30.0}.get(invocation.value, 0.01))
        return Reply()

    bench = Bench(perform)

    async def main():
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, stop.set)
        return await bench.drive(OPS, stop=stop, timeout_s=60)

    stats = run_virtual(main())
    paired(bench.events)
    assert stats.ended == "stopped"
    assert stats.duration_s < 1.3
    assert {e.value: (e.type, e.error) for e in bench.completions() if e.value in {0, 1}} == {
        0: ("ok", None),  # came within the grace
        1: ("info", ["interrupted", "the run ended"]),
    }
    assert max(e.time for e in bench.events if e.type == "invoke") < 0.12e9


def test_the_run_has_a_deadline_even_if_its_generator_has_none():
    bench = Bench(ok_after_10_ms)
    stats = bench.run(OPS, deadline_s=2)
    assert stats.ended == "deadline"
    assert 2 <= stats.duration_s < 2.1


def test_a_generator_that_waits_for_ever_is_an_error_and_no_hang():
    stuck = sequence(Invocation("w"), reactive(0, lambda s, _c: (PENDING, s), lambda s, _c, _e: s))
    bench = Bench(ok_after_10_ms)
    with pytest.raises(Broken, match=r"waits for ever: .*Reactive"):
        bench.run(stuck)


def test_a_look_in_the_moment_in_which_everybody_goes_home_is_no_error(monkeypatch):
    ended = Engine._exhausted

    def look_at_once(self, track):
        ended(self, track)
        self._scan(self.recorder.now_ns())

    monkeypatch.setattr(Engine, "_exhausted", look_at_once)
    # All are free when it ends, by time: the beat may be due in the same turn of the loop.
    assert Bench(ok_after_10_ms).run(sequence(limit(6, OPS), sleep(0.5))).operations == 6


def test_a_faulty_generator_stops_the_run_and_is_named():
    bench = Bench(ok_after_10_ms)
    with pytest.raises(Broken, match=r"Each\(.*n=5\) failed: ZeroDivisionError"):
        bench.run(each(lambda n, _draws: Invocation("w", None, 1 // (5 - n))))
    paired(bench.events)


def test_a_journal_that_cannot_be_written_stops_the_run():
    bench = Bench(ok_after_10_ms)

    def append(event: Event) -> None:
        bench.events.append(event)
        if event.index == 20:
            raise OSError(28, "No space left on device")

    async def main():
        bench.recorder = Recorder(append, clock_of(asyncio.get_running_loop()), 3)
        return await bench.drive(OPS)

    with pytest.raises(Broken, match="No space left on device"):
        run_virtual(main())


def test_phases_share_indexes_and_every_client_has_a_process_of_its_own():
    bench = Bench(ok_after_10_ms)

    async def main():
        await bench.drive(limit(10, OPS))
        await asyncio.sleep(1)
        await bench.drive(limit(5, repeat(Invocation("read", "k"))))

    run_virtual(main())
    paired(bench.events)
    first = {e.process for e in bench.events if e.f == "w"}
    second = {e.process for e in bench.events if e.f == "read"}
    assert first == {0, 1, 2}
    assert second == {3, 4, 5}


def test_the_generator_decides_who_and_idle_clients_take_turns():
    bench = Bench(ok_after_10_ms, clients=4)
    bench.run(limit(40, delay(0.05, OPS)))
    assert Counter(e.process for e in bench.completions()) == {0: 10, 1: 10, 2: 10, 3: 10}


def test_rate_is_kept_through_the_runner():
    bench = Bench(ok_after_10_ms, clients=10)
    stats = bench.run(time_limit(30, stagger(100, OPS, Random(1))))
    assert stats.operations == pytest.approx(3000, rel=0.04)


def test_a_client_that_never_waits_does_not_keep_the_loop_from_others():
    async def perform(client, _invocation):
        return Reply(value=client.process)

    bench = Bench(perform, clients=5)
    bench.run(limit(2000, OPS))
    assert len({e.process for e in bench.events}) == 5


def test_virtual_time_passes_even_if_no_client_ever_waits():
    async def perform(_client, _invocation):
        return Reply()

    bench = Bench(perform)
    assert bench.run(time_limit(0.001, OPS)).ended == "exhausted"


class TestNemesis:
    def test_it_runs_beside_the_clients_and_keeps_its_process(self):
        seen = []

        async def act(invocation):
            seen.append(invocation.f)
            await asyncio.sleep(0.2)
            if invocation.f == "lost":
                raise Unknown("no-proof", "it may have bitten")
            if invocation.f == "undone":
                raise Refused("no-target")
            return NemesisOutcome("ok", {"action": "inject", "proof": {"holds": True}})

        bench = Bench(ok_after_10_ms)
        schedule = sequence(
            *(each_ for f in ("cut", "lost", "undone") for each_ in (sleep(0.5), Invocation(f)))
        )
        stats = bench.run(time_limit(4, delay(0.02, OPS)), nemesis=Nemesis(schedule, act))
        paired(bench.events)
        own = [e for e in bench.events if e.process == "nemesis"]
        assert [e.type for e in own] == ["invoke", "ok", "invoke", "info", "invoke", "fail"]
        assert [e.f for e in own] == ["cut", "cut", "lost", "lost", "undone", "undone"]
        assert own[1].value == {"action": "inject", "proof": {"holds": True}}
        assert stats.operations == 200  # of clients alone

    def test_one_generator_can_serve_both(self):
        async def act(_invocation):
            return NemesisOutcome("ok")

        bench = Bench(ok_after_10_ms)
        both = phases(
            on_clients(limit(6, OPS)),
            on_nemesis(Invocation("cut")),
            any_of(on_clients(limit(6, OPS)), on_nemesis(Invocation("heal"))),
        )
        bench.run(both, nemesis=Nemesis(None, act))
        cut = next(e for e in bench.events if e.f == "cut")
        assert sum(e.index < cut.index for e in bench.completions()) == 6
        assert sum(e.f == "heal" for e in bench.events) == 2

    def test_a_schedule_can_react_to_clients(self):
        async def act(_invocation):
            return NemesisOutcome("ok")

        def decide(count, _ctx):
            return (Invocation("cut") if count >= 10 else PENDING), (0 if count >= 10 else count)

        def react(count, _ctx, event):
            return count + 1 if event.f == "w" else count

        bench = Bench(ok_after_10_ms)
        bench.run(limit(35, OPS), nemesis=Nemesis(limit(3, reactive(0, decide, react)), act))
        cuts = [e.index for e in bench.events if e.f == "cut" and e.type == "invoke"]
        done = [sum(e.f == "w" and e.index < cut for e in bench.completions()) for cut in cuts]
        # Two other clients may complete in the same moment, before the nemesis has its turn.
        assert [10 <= done[0] <= 12, 20 <= done[1] <= 24, 30 <= done[2] <= 35] == [True] * 3

    def test_a_fault_that_hangs_is_unknown_at_its_own_deadline(self):
        async def act(_invocation):
            await asyncio.sleep(1000)

        bench = Bench(ok_after_10_ms)
        schedule = Nemesis(limit(1, repeat(Invocation("cut"))), act, timeout_s=5)
        bench.run(time_limit(20, delay(0.1, OPS)), nemesis=schedule)
        paired(bench.events)
        (ended,) = [e for e in bench.completions() if e.process == "nemesis"]
        assert ended.type == "info"
        assert ended.error[0] == "timeout"
        assert 5e9 <= ended.time <= 5.5e9

    def test_a_broken_fault_stops_the_run(self):
        async def act(_invocation):
            raise Broken("nft", "no permission; run as root")

        bench = Bench(ok_after_10_ms)
        with pytest.raises(Broken, match="run as root"):
            bench.run(OPS, nemesis=Nemesis(Invocation_once(), act))
        paired(bench.events)


def Invocation_once() -> Generator:  # noqa: N802
    return limit(1, repeat(Invocation("cut")))


def test_cancelling_the_drive_itself_closes_everything():
    bench = Bench(ok_after_10_ms)

    async def main():
        task = asyncio.create_task(bench.drive(OPS))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    assert run_virtual(main()) == 1
    assert all(client.closed for client in bench.opened)
